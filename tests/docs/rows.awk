# Makes one program of a page's tables: awk -v PAGE=NAME -f rows.awk PAGE.md. The block marked `rows` holds the members
# of a struct; every code span in the second column of a row is a function of a struct derived from it, so that each row
# starts from the same values. Where the third column has a code span, the last expression is printed and must give that
# text; spaces and ends of lines count as one space. In cells `\|` is `|`.

function problem(message) {
  printf "%s:%d: %s\n", PAGE, FNR, message > "/dev/stderr"
  status = 1
}

# spans(CELL): the code spans of a cell into span[1], span[2], ...; returns how many.
function spans(cell,    n) {
  n = 0
  while (match(cell, /`[^`]+`/)) {
    span[++n] = substr(cell, RSTART + 1, RLENGTH - 2)
    gsub(/\001/, "|", span[n])
    cell = substr(cell, RSTART + RLENGTH)
  }
  return n
}

# The length of the statements before the last expression: up to the last `;` outside all brackets.
function statements(code,    i, c, depth, last) {
  for (i = 1; i <= length(code); i++) {
    c = substr(code, i, 1)
    if (c ~ /[[({]/) depth++
    else if (c ~ /[])}]/) depth--
    else if (c == ";" && depth == 0) last = i
  }
  return last + 0
}

function quoted(text) {
  gsub(/[\\"]/, "\\\\&", text)
  return "\"" text "\""
}

BEGIN { print "#include \"rows.h\"\nnamespace {" }

# The members.
/^<!-- rows -->$/ { marked = 1; next }
marked && /^```cpp$/ { print "struct Given {\n#line " (FNR + 1) " \"" PAGE "\""; inside = "given"; next }
/^ *```/ && inside == "given" { print "};"; given = 1; inside = ""; marked = 0; next }
inside == "given" { print; next }
/^ *```/ { inside = inside ? "" : "block"; next }

given && !inside && /^\|/ {
  line = $0
  gsub(/\\\|/, "\001", line)
  columns = split(line, cell, "|")
  if (columns != 5) problem("expected three columns, found " columns - 2)
  if (!table++) next  # the head
  if (line ~ /^[-| :]+$/) next
  expected = spans(cell[4]) ? span[1] : ""
  n = spans(cell[3])
  if (!n) problem("expected code in the second column")
  for (i = 1; i <= n; i++) {
    code = span[i]
    split_at = expected == "" ? length(code) : statements(code)
    result = substr(code, split_at + 1)
    if (expected != "" && result ~ /^ *$/) problem("expected an expression at the end, whose value is " expected)
    rows++
    printf "std::string row_%d() {\n  struct This : Given {\n    void run(std::ostream& printed) {\n", rows
    printf "#line %d \"%s\"\n      %s;\n", FNR, PAGE, substr(code, 1, split_at)
    printf "#line %d \"%s\"\n      %s;\n    }\n", FNR, PAGE, result == "" ? "(void)printed" : "printed << (" result ")"
    printf "  };\n  std::ostringstream printed;\n  This().run(printed);\n  return printed.str();\n}\n"
    list = list sprintf("    {%d, %s, %s, row_%d},\n", FNR, quoted(code), quoted(expected), rows)
  }
  next
}
{ table = 0 }

END {
  if (!rows) problem("expected a table after the block marked `rows`")
  print "}  // namespace\n\nint main() {\n  return run_rows(\"" PAGE "\", {\n" list "  });\n}"
  exit status
}
