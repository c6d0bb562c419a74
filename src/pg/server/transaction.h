// Scopes over server state. They are functions, not destructors, because leaving a scope normally and leaving
// it by an exception differ, and the former can itself raise.
#pragma once

#include "pg/server/airlock.h"

namespace tablesync::pg {

namespace detail {
void start_transaction();
void commit_transaction();
void abort_transaction() noexcept;
void end_unused_transaction();

struct Subtransaction {
  void *memory_context;
  void *resource_owner;
};
Subtransaction start_subtransaction();
void commit_subtransaction(const Subtransaction &outer);
void abort_subtransaction(const Subtransaction &outer);

struct Identity {
  unsigned int user;
  int security_context;
};
Identity become_extension_owner();
void restore_identity(const Identity &identity) noexcept;
bool acts_as_replica();

int push_setting(const char *name, const char *value);
void pop_settings(int nest_level) noexcept;
}  // namespace detail

// Runs f in a transaction of its own, with an active snapshot; for workers. Commits, or aborts and rethrows.
template <typename F>
void in_transaction(F f) {
  detail::start_transaction();
  on_failure(
      [&] {
        f();
        detail::commit_transaction();
      },
      []() noexcept { detail::abort_transaction(); });
}

// Runs f in a transaction of its own, with an active snapshot; for workers. Rolls back if f returns true or
// throws, otherwise commits.
template <typename F>
void in_transaction_unless(F f) {
  bool undone = false;
  detail::start_transaction();
  on_failure(
      [&] {
        undone = f();
        if (!undone) detail::commit_transaction();
      },
      []() noexcept { detail::abort_transaction(); });
  if (undone) detail::abort_transaction();
}

// Ends the current transaction of a worker, which must not have changed anything yet, runs f, which may take
// long, and begins another transaction.
template <typename F>
void between_transactions(F f) {
  detail::end_unused_transaction();
  f();
  detail::start_transaction();
}

// Runs f in a subtransaction. If f fails with a server error for which `handles(error)` is true, rolls it
// back and returns false; every other error passes.
template <typename F, typename H>
bool in_subtransaction(F f, H handles) {
  const detail::Subtransaction outer = detail::start_subtransaction();
  try {
    f();
    detail::commit_subtransaction(outer);
    return true;
  } catch (const Error &error) {
    // Also if the error passes, so that outer scopes are not left in this subtransaction.
    detail::abort_subtransaction(outer);
    const auto *const server_error = dynamic_cast<const ServerError *>(&error);
    if (server_error == nullptr || !handles(*server_error)) throw;
  }
  return false;
}

// Runs f in a subtransaction and always rolls it back.
template <typename F>
void in_discarded_subtransaction(F f) {
  const detail::Subtransaction outer = detail::start_subtransaction();
  try {
    f();
  } catch (const Error &) {
    detail::abort_subtransaction(outer);
    throw;
  }
  detail::abort_subtransaction(outer);
}

namespace detail {
// Runs f, then `leave`, even if f throws.
template <typename F, typename C>
auto leaving(F f, C leave) {
  if constexpr (std::is_void_v<std::invoke_result_t<F &>>) {
    on_failure(f, leave);
    leave();
  } else {
    auto result = on_failure(f, leave);
    leave();
    return result;
  }
}
}  // namespace detail

// Runs f with another value of a setting and restores it, even if f throws.
template <typename F>
auto with_setting(const char *name, const char *value, F f) {
  const int nest_level = detail::push_setting(name, value);
  return detail::leaving(f, [&]() noexcept { detail::pop_settings(nest_level); });
}

// Runs f with a search_path on which no user can create objects.
template <typename F>
auto with_safe_search_path(F f) {
  return with_setting("search_path", "pg_catalog, pg_temp", f);
}

// Runs f as the extension's owner, in a restricted operation, which writing our state tables requires. f may
// only run fixed statements on our own tables, nothing that could reach a user's code.
template <typename F>
auto as_extension_owner(F f) {
  const detail::Identity identity = detail::become_extension_owner();
  // Our tables ignore writes of a replica: see tablesync.leave_out_replicated().
  const auto work = [&] {
    return detail::acts_as_replica() ? with_setting("session_replication_role", "origin", f) : f();
  };
  return detail::leaving(work, [&]() noexcept { detail::restore_identity(identity); });
}

}  // namespace tablesync::pg
