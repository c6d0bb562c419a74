// Error: the one exception of this project. It carries what PostgreSQL carries in an error
// (the PG_DIAG_* fields), so that nothing is lost between the source, the worker and the caller.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace tablesync {

// The user-visible fields of a PostgreSQL error. Empty means absent.
struct Diagnostics {
  std::string sqlstate = "XX000";  // five characters, see "Appendix A. PostgreSQL Error Codes"
  std::string message;             // lower case, no period
  std::string detail;              // whole sentences
  std::string hint;                // whole sentences: what the user can do
  std::string context;             // one line per level, innermost first
  std::string schema, table, column, datatype, constraint;
};

// Adds a level at the outer end of the context.
inline void add_context(Diagnostics &diagnostics, const std::string &line) {
  if (!diagnostics.context.empty()) diagnostics.context += '\n';
  diagnostics.context += line;
}

class Error : public std::exception {
 public:
  explicit Error(Diagnostics diagnostics) : diagnostics_(std::move(diagnostics)) {}
  Error(std::string sqlstate, std::string message, std::string detail = {}, std::string hint = {}) {
    diagnostics_.sqlstate = std::move(sqlstate);
    diagnostics_.message = std::move(message);
    diagnostics_.detail = std::move(detail);
    diagnostics_.hint = std::move(hint);
  }

  const Diagnostics &diagnostics() const noexcept { return diagnostics_; }
  const char *what() const noexcept override { return diagnostics_.message.c_str(); }

 private:
  Diagnostics diagnostics_;
};

// SQLSTATEs that the code names more than once (errcodes.txt).
namespace sqlstate {
inline constexpr char connection_failed[] = "08001";       // sqlclient_unable_to_establish_sqlconnection
inline constexpr char connection_lost[] = "08006";         // connection_failure
inline constexpr char protocol_violation[] = "08P01";      // protocol_violation
inline constexpr char not_supported[] = "0A000";           // feature_not_supported
inline constexpr char cardinality[] = "21000";             // cardinality_violation
inline constexpr char null_not_allowed[] = "22004";        // null_value_not_allowed
inline constexpr char invalid_parameter[] = "22023";       // invalid_parameter_value
inline constexpr char not_null_violation[] = "23502";      // not_null_violation
inline constexpr char unique_violation[] = "23505";        // unique_violation
inline constexpr char active_transaction[] = "25001";      // active_sql_transaction
inline constexpr char password_required[] = "2F003";       // prohibited_sql_statement_attempted, as dblink
inline constexpr char deadlock[] = "40P01";                // deadlock_detected
inline constexpr char insufficient_privilege[] = "42501";  // insufficient_privilege
inline constexpr char undefined_column[] = "42703";        // undefined_column
inline constexpr char undefined_object[] = "42704";        // undefined_object
inline constexpr char datatype_mismatch[] = "42804";       // datatype_mismatch
inline constexpr char wrong_object_type[] = "42809";       // wrong_object_type
inline constexpr char undefined_table[] = "42P01";         // undefined_table
inline constexpr char invalid_key[] = "42P10";             // invalid_column_reference
inline constexpr char out_of_resources[] = "53000";        // insufficient_resources
inline constexpr char out_of_memory[] = "53200";           // out_of_memory
inline constexpr char wrong_state[] = "55000";             // object_not_in_prerequisite_state
inline constexpr char lock_not_available[] = "55P03";      // lock_not_available
inline constexpr char canceled[] = "57014";                // query_canceled
inline constexpr char admin_shutdown[] = "57P01";          // admin_shutdown
inline constexpr char internal[] = "XX000";                // internal_error
inline constexpr char invalid_option[] = "HV00D";          // fdw_invalid_option_name
}  // namespace sqlstate

}  // namespace tablesync
