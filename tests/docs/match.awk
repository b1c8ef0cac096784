# awk -f match.awk EXPECTED FOUND: succeeds if the two agree line by line. In EXPECTED, `...` stands for any text, and on
# a line of its own for any number of lines. Spaces at the end of a line don't count.

function pattern(line,    parts, n, i, out) {
  n = split(line, parts, /\.\.\./)
  for (i = 1; i <= n; i++) {
    gsub(/[][\\.^$*+?(){}|]/, "\\\\&", parts[i])
    out = out (i > 1 ? ".*" : "") parts[i]
  }
  return "^" out "$"
}

{ sub(/[ \t\r]+$/, "") }
FILENAME == ARGV[1] { expected[++n] = $0; next }
{ found[++m] = $0 }

END {
  # fits[j]: whether the expected lines so far can be the first j lines found.
  fits[0] = 1
  for (i = 1; i <= n; i++) {
    for (j = 0; j <= m; j++) before[j] = fits[j]
    any = expected[i] ~ /^ *\.\.\.$/
    regex = pattern(expected[i])
    alive = 0
    for (j = 0; j <= m; j++) {
      if (any) fits[j] = before[j] || (j > 0 && fits[j - 1])
      else fits[j] = j > 0 && before[j - 1] && found[j] ~ regex
      if (fits[j]) { alive = 1; reached = j }
    }
    if (!alive) {
      printf "expected: %s\nfound:    %s\n", expected[i], (reached < m ? found[reached + 1] : "the end of the output")
      exit 1
    }
  }
  if (!fits[m]) {
    printf "expected the end of the output, found: %s\n", found[reached + 1]
    exit 1
  }
}
