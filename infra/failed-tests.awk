# Reads what tap printed and tells again what failed: file, tests and assertion, the line, and the reason. A long run ends with
# this list, so that the end of its log is enough to know.

function depth() { match($0, /[^ ]/); return RSTART - 1 }
function say(level, name,   above) {
  for (above = level - 4; above >= 0; above -= 4) name = test[above] " > " name
  print "failed: " name
  failures++
  place = level
  lines = 14
}

/^Bail out!/ { print }
/^ *# Subtest: / {
  level = depth()
  sub(/^ *# Subtest: /, "")
  test[level] = $0
  before[level] = failures
  lines = 0
  next
}
/^ *ok [0-9]+/ { test[depth()] = ""; lines = 0; next }
/^ *not ok [0-9]+/ && !/ # (TODO|SKIP)/ {
  level = depth()
  sub(/^ *not ok [0-9]+( - )?/, "")
  sub(/ #? ?time=[0-9.]+m?s.*$/, "")
  lines = 0
  # the end of a test, whose failed assertions were told already unless it broke off without one
  ended = $0 == test[level]
  if (!ended || failures == before[level]) say(level, $0)
  if (ended) test[level] = ""
  next
}
/^ *\.\.\.$/ { lines = 0 }
lines > 0 && !/^ *---$/ {
  # of what tap says of it
  if (depth() == place + 2) wanted = $1 ~ /^(diff|error|message|code|cause|exitCode|signal|at):/ ? $1 : ""
  if (wanted == "" || (wanted == "at:" && $1 != "lineNumber:")) next
  print substr($0, place + 1, 120)
  lines--
}
