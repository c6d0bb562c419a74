#include "core/base/moment.h"

#include <charconv>
#include <cstdio>

namespace tablesync {
namespace {

constexpr std::int64_t second = 1'000'000, day = 86'400 * second;
// 2000-01-01 in days since 0000-03-01, of the proleptic Gregorian calendar.
constexpr std::int64_t epoch = 730'425;
constexpr std::int64_t days_of_400_years = 146'097;

struct Date {
  std::int64_t year;
  int month, day;
};

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by != 0 && value < 0 ? 1 : 0);
}

// Years that begin in March have the leap day last, so that the days before a month do not depend on it:
// (153 * month + 2) / 5 of them, for months from March = 0.
Date date_of(std::int64_t days) {
  days += epoch;
  const std::int64_t era = floor_div(days, days_of_400_years);
  const std::int64_t of_era = days - era * days_of_400_years;
  const std::int64_t year = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const std::int64_t march_month = (5 * of_year + 2) / 153;
  const int month = static_cast<int>(march_month < 10 ? march_month + 3 : march_month - 9);
  return {era * 400 + year + (month <= 2 ? 1 : 0), month,
          static_cast<int>(of_year - (153 * march_month + 2) / 5 + 1)};
}

std::int64_t days_of(const Date &date) {
  const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  const std::int64_t era = floor_div(year, 400);
  const std::int64_t of_era = year - era * 400;
  const std::int64_t march_month = date.month > 2 ? date.month - 3 : date.month + 9;
  const std::int64_t of_year = (153 * march_month + 2) / 5 + date.day - 1;
  return era * days_of_400_years + of_era * 365 + of_era / 4 - of_era / 100 + of_year - epoch;
}

bool take(std::string_view &text, std::int64_t &number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take(std::string_view &text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

bool take_end(std::string_view &text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

}  // namespace

std::string text_of_moment(Moment moment, bool with_zone) {
  if (moment == before_all) return "-infinity";
  if (moment == after_all) return "infinity";
  const std::int64_t days = floor_div(moment, day);
  const std::int64_t of_day = moment - days * day;
  const Date date = date_of(days);
  const bool before_christ = date.year <= 0;
  char text[64];
  std::snprintf(text, sizeof text, "%04lld-%02d-%02d %02d:%02d:%02d",
                static_cast<long long>(before_christ ? 1 - date.year : date.year), date.month, date.day,
                static_cast<int>(of_day / second / 3600), static_cast<int>(of_day / second / 60 % 60),
                static_cast<int>(of_day / second % 60));
  std::string whole = text;
  if (const std::int64_t fraction = of_day % second; fraction != 0) {
    std::snprintf(text, sizeof text, ".%06lld", static_cast<long long>(fraction));
    whole += text;
    whole.erase(whole.find_last_not_of('0') + 1);
  }
  if (with_zone) whole += "+00";
  return before_christ ? whole + " BC" : whole;
}

std::optional<Moment> parse_moment(std::string_view text) {
  if (text == "-infinity") return before_all;
  if (text == "infinity") return after_all;
  const bool before_christ = take_end(text, " BC");
  take_end(text, "+00");
  std::int64_t year = 0, month = 0, day_of_month = 0, hours = 0, minutes = 0, seconds = 0, fraction = 0;
  if (!(take(text, year) && take(text, '-') && take(text, month) && take(text, '-') &&
        take(text, day_of_month) && take(text, ' ') && take(text, hours) && take(text, ':') &&
        take(text, minutes) && take(text, ':') && take(text, seconds)))
    return std::nullopt;
  if (take(text, '.')) {
    constexpr size_t digits = 6;
    if (text.size() > digits) return std::nullopt;
    std::int64_t scale = 1;
    for (size_t n = text.size(); n < digits; ++n) scale *= 10;
    if (!take(text, fraction)) return std::nullopt;
    fraction *= scale;
  }
  if (!text.empty()) return std::nullopt;
  const Date date{before_christ ? 1 - year : year, static_cast<int>(month), static_cast<int>(day_of_month)};
  return days_of(date) * day + ((hours * 60 + minutes) * 60 + seconds) * second + fraction;
}

}  // namespace tablesync
