# Makes a program from installed headers, in which each struct that is an aggregate is made with a value for its first field
# alone, by name: `Dataset{.name = {}}`. A field after it without a default is a warning of -Wextra there.
BEGIN {
  for (i = 1; i < ARGC; ++i) print "#include \"" ARGV[i] "\""
  print "#include <type_traits>"
}
FNR == 1 { scope = "" }
/^namespace .*{$/ && !/^namespace {/ {
  name = $0
  sub(/^namespace (ELBO_API )?/, "", name)
  sub(/ {$/, "", name)
  scope = scope "::" name
}
/^}  \/\/ namespace/ { sub(/::[^:]*$/, "", scope) }
/^struct [A-Za-z0-9_]+ {$/ && !template && scope !~ /::detail/ { wanted = $2 }
{ template = /^template/ }
wanted && /^  [a-zA-Z].* [a-z_0-9]+( = .*|\[.*\])?;/ && !/\(/ {
  field = $0
  sub(/( = |\[|;|, ).*/, "", field)
  sub(/.* /, "", field)
  ++count
  print "template <class T>\nvoid check_" count "() {"
  print "  if constexpr (std::is_aggregate_v<T> && std::is_default_constructible_v<T>) {"
  print "    [[maybe_unused]] T value{." field " = T{}." field "};\n  }\n}"
  print "template void check_" count "<" scope "::" wanted ">();"
  wanted = ""
}
/^};/ { wanted = "" }
END { print "// " count " structs" }
