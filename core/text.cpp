#include "text.h"

#include <array>
#include <cctype>

namespace elbo {
namespace {

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr const char* digits = "0123456789abcdef";
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
  }
}

/// Moves the cursor, ends the line, or turns the direction of what follows.
bool is_control(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = std::tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

Character first_character(std::string_view text) {
  if (text.empty()) return {.bytes = 0};
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {first, 1, true};
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  constexpr std::array<char32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return {};
  char32_t code = first & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    code = code << 6 | (next & 0x3Fu);
  }
  if (code < least[bytes] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, bytes, true};
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Character next = first_character(text);
    if (!next.valid) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  std::size_t count = 0;
  while (!text.empty()) {
    if (most > 0 && count++ == most) return out + "...";
    const Character next = first_character(text);
    const std::string_view bytes = text.substr(0, next.bytes);
    if (next.valid && !is_control(next.code))
      out += bytes;
    else
      append_escaped(out, bytes);
    text.remove_prefix(next.bytes);
  }
  return out;
}

std::string in_quotes(std::string_view text) { return "'" + printable(text, 80) + "'"; }

std::string either(const std::vector<std::string>& words, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t left = words.size() - i;
    // One more costs no more than to say that there is another.
    if (most > 0 && left > 1 && i > 0 && out.size() + 2 + words[i].size() > most)
      return out + " or " + std::to_string(left) + " others";
    out += (i == 0 ? "" : left > 1 ? ", " : " or ") + words[i];
  }
  return out;
}

std::string to_utf8(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const Character next = first_character(bytes);
    if (next.valid && !bytes.starts_with("\\x"))
      out += bytes.substr(0, next.bytes);
    else
      append_escaped(out, bytes.substr(0, next.bytes));
    bytes.remove_prefix(next.bytes);
  }
  return out;
}

std::string from_utf8(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text.size() - i >= 4 && text[i] == '\\' && text[i + 1] == 'x';
    const int high = escape ? hex_digit(text[i + 2]) : -1, low = escape ? hex_digit(text[i + 3]) : -1;
    if (high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace elbo
