# Takes the fenced blocks out of one Markdown page. Writes each to OUT/NNN.code and what follows it as ```text to
# OUT/NNN.expected, and prints a line per block: number, language, line in the page, mark.
# The mark is the HTML comment directly before the fence: `not run: REASON`, `compiled only`, `file: NAME` or `rows`.

function problem(message) {
  printf "%s:%d: %s\n", FILENAME, FNR, message > "/dev/stderr"
  status = 1
}

!inside && /^ *```/ {
  language = $0
  sub(/^ *```/, "", language)
  indent = match($0, /`/) - 1
  inside = 1
  begin = FNR
  if (language == "text") {
    # The output of the block before it, where nothing lies between but a line that ends with a colon.
    target = after_code ? sprintf("%s/%03d.expected", OUT, number) : "/dev/null"
    printf "" > target
  } else {
    number++
    target = sprintf("%s/%03d.code", OUT, number)
    printf "" > target
    print number "\t" language "\t" FNR "\t" mark
  }
  if (language !~ /^(cpp|c|sh|text|cmake|json|make|python)$/)
    problem("a block in '" language "': expected cpp, c, sh, text, cmake, json, make or python")
  next
}

inside && /^ *```$/ {
  inside = 0
  after_code = language != "text"
  mark = ""
  close(target)
  next
}

inside {
  line = $0
  for (i = 0; i < indent && line ~ /^ /; i++) line = substr(line, 2)
  print line > target
  next
}

/^ *$/ { next }

{
  mark = ""
  if (match($0, /^ *<!-- .* -->$/)) {
    mark = $0
    gsub(/^ *<!-- | -->$/, "", mark)
    if (mark !~ /^(not run: .|compiled only$|rows$|file: [^ ]+$)/) mark = ""
  }
  if ($0 !~ /:$/) after_code = 0
}

END {
  if (inside) problem("the block that begins in line " begin " has no end")
  exit status
}
