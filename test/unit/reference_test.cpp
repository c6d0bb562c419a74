// The tables of doc/reference.md that come from the table of parameters. With TABLESYNC_WRITE_REFERENCE set,
// the test writes them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/quote.h"
#include "core/spec/parameter.h"
#include "support/source_file.h"

namespace tablesync {
namespace {

constexpr char file_name[] = "doc/reference.md";

std::string row_of(const std::vector<std::string> &cells) {
  std::string row = "|";
  for (const std::string &cell : cells) row += cell.empty() ? " |" : " " + cell + " |";
  return row + "\n";
}

std::string code(const char *name) { return std::string("`") + name + "`"; }

// `letters`: of the functions, for the column that says which of them has the argument.
std::string arguments_table(std::initializer_list<std::pair<char, unsigned>> letters) {
  std::string table = row_of({"argument", "of", "meaning", "default"}) + "|---|---|---|---|\n";
  unsigned functions = 0;
  for (const auto &[letter, function] : letters) functions |= function;
  for (const Parameter &parameter : parameters()) {
    if (parameter.place != ParameterPlace::argument || (parameter.functions & functions) == 0) continue;
    std::vector<std::string> of;
    for (const auto &[letter, function] : letters)
      if ((parameter.functions & function) != 0) of.emplace_back(1, letter);
    table += row_of({code(parameter.name), join(of, " "), parameter.meaning, parameter.default_value});
  }
  return table;
}

std::vector<const Parameter *> options_of(unsigned functions) {
  std::vector<const Parameter *> options;
  for (const Parameter &parameter : parameters())
    if (parameter.place == ParameterPlace::option && (parameter.functions & functions) != 0 &&
        parameter.meaning != nullptr)
      options.push_back(&parameter);
  return options;
}

std::string options_table(const std::vector<const Parameter *> &options) {
  std::string table = row_of({"option", "meaning", "default"}) + "|---|---|---|\n";
  for (const Parameter *const option : options)
    table += row_of({code(option->name), option->meaning, option->default_value});
  return table;
}

std::string sync_options() {
  std::vector<const Parameter *> options = options_of(functions::syncs);
  std::sort(options.begin(), options.end(), [](const Parameter *one, const Parameter *other) {
    return std::string_view(one->name) < other->name;
  });
  return options_table(options);
}

std::string pivot_options() {
  std::vector<const Parameter *> own, shared;
  for (const Parameter *const option : options_of(functions::pivots))
    ((option->functions & functions::syncs) != 0 ? shared : own).push_back(option);
  std::vector<std::string> names;
  for (const Parameter *const option : shared) names.push_back(code(option->name));
  return options_table(own) + row_of({join(names, ", "), "as for [sync_table](#sync_table-run_sync)", ""});
}

// `text` with `table` between the marks of that name.
std::string with_table(std::string text, const std::string &name, const std::string &table) {
  const std::string begin = "<!-- parameters: begin " + name + " -->\n", end = "<!-- parameters: end -->\n";
  const size_t from = text.find(begin);
  if (from == std::string::npos) {
    ADD_FAILURE() << "no " << begin;
    return text;
  }
  const size_t start = from + begin.size(), stop = text.find(end, start);
  return text.replace(start, stop - start, table);
}

TEST(Reference, HasTheParametersOfTheTable) {
  const std::string is = read_source(file_name);
  std::string wanted = is;
  wanted = with_table(wanted, "arguments of sync_table",
                      arguments_table({{'S', functions::sync_table}, {'V', functions::verify_table}}));
  wanted = with_table(wanted, "options of sync_table", sync_options());
  wanted = with_table(wanted, "arguments of pivot_ship",
                      arguments_table({{'P', functions::pivot_ship}, {'V', functions::verify_pivot}}));
  wanted = with_table(wanted, "options of pivot_ship", pivot_options());
  if (std::getenv("TABLESYNC_WRITE_REFERENCE") != nullptr) {
    std::ofstream(path_of(file_name)) << wanted;
    return;
  }
  if (is == wanted) return;
  const auto differs = std::mismatch(is.begin(), is.end(), wanted.begin(), wanted.end()).second;
  const auto line = std::find(std::make_reverse_iterator(differs), wanted.rend(), '\n').base();
  ADD_FAILURE() << file_name
                << " is not what the table of parameters says (CONTRIBUTING.md has the command). "
                << "The first line that differs should be:\n"
                << std::string(line, std::find(differs, wanted.end(), '\n'));
}

}  // namespace
}  // namespace tablesync
