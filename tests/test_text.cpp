#include <elbo/core/text.h>

#include "catch.h"

using namespace elbo;

TEST_CASE("text of others comes on one line, escaped, and cut at 80 characters", "[text]") {
  CHECK(in_quotes("plain") == "'plain'");
  CHECK(in_quotes("a\nb\t\x1b[31m") == R"('a\x0ab\x09\x1b[31m')");
  CHECK(in_quotes(std::string("\0", 1)) == R"('\x00')");
  CHECK(in_quotes("gr\u00fc\u00df \u4e2d \U0001f600") == "'gr\u00fc\u00df \u4e2d \U0001f600'");
  CHECK(in_quotes("a\xff\xc3") == R"('a\xff\xc3')");
  CHECK(in_quotes("\u0085\u202e\u2066\u2028") == R"('\xc2\x85\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8')");
  CHECK(in_quotes(std::string(80, 'x')) == "'" + std::string(80, 'x') + "'");
  CHECK(in_quotes(std::string(81, 'x')) == "'" + std::string(80, 'x') + "...'");
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\u00fc";
  CHECK(in_quotes(umlauts) == "'" + umlauts.substr(0, 160) + "...'");
  CHECK(printable(umlauts) == umlauts);
}

TEST_CASE("UTF-8 is told from what only looks like it", "[text]") {
  CHECK(first_character("").bytes == 0);
  CHECK(first_character("\u20ac!").code == 0x20ac);
  CHECK(first_character("\U0010ffff").code == 0x10ffff);
  // Alone, cut off, too long, a surrogate, beyond Unicode.
  for (const char* bad :
       {"\x80", "\xbf", "\xc3", "\xc3(", "\xe2\x82", "\xf0\x9f\x98", "\xc0\x80", "\xc1\xbf", "\xe0\x80\xaf",
        "\xf0\x80\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"}) {
    INFO(printable(bad));
    CHECK_FALSE(first_character(bad).valid);
    CHECK(first_character(bad).bytes == 1);
    CHECK_FALSE(is_utf8(bad));
  }
  CHECK(is_utf8("a\u00e9\u4e2d\U0001f600"));
}

TEST_CASE("any bytes survive the way to UTF-8 and back", "[text]") {
  CHECK(to_utf8("caf\xe9") == R"(caf\xe9)");
  CHECK(to_utf8("caf\u00e9") == "caf\u00e9");
  CHECK(to_utf8(R"(a\b)") == R"(a\b)");
  std::uint32_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) {
      state = state * 1664525u + 1013904223u;
      // Backslashes, x and hexadecimal digits often: what could be taken for an escape.
      const char pool[] = {'\\', 'x', 'f', '0', static_cast<char>(state >> 24)};
      bytes += pool[(state >> 16) % 5];
    }
    INFO(printable(bytes));
    const std::string text = to_utf8(bytes);
    CHECK(is_utf8(text));
    CHECK(from_utf8(text) == bytes);
  }
}
