# Reads what tap printed and tells again what failed: file, tests and assertion, with the first lines of its reason. A long
# run ends with this list, so that the end of its log is enough to know.

function depth() { match($0, /[^ ]/); return RSTART - 1 }
function say(level, name,   line, above) {
  line = name
  for (above = level - 4; above >= 0; above -= 4) line = test[above] " > " line
  print "failed: " line
  failures++
  reason = 9
}

/^ *# Subtest: / {
  level = depth()
  sub(/^ *# Subtest: /, "")
  test[level] = $0
  before[level] = failures
  next
}
/^ *(not )?ok [0-9]+/ { reason = 0 }
/^ *not ok [0-9]+/ && !/ # (TODO|SKIP)/ {
  level = depth()
  sub(/^ *not ok [0-9]+( - )?/, "")
  sub(/ #? ?time=[0-9.]+m?s.*$/, "")
  # the end of a test, whose failed assertions were told already unless it broke off without one
  if ($0 == test[level]) {
    test[level] = ""
    if (failures == before[level]) say(level, $0)
  } else say(level, $0)
  next
}
reason > 0 && !/^ *(---|\.\.\.)?$/ { print substr($0, level + 1, 120); reason-- }
/^ *\.\.\.$/ { reason = 0 }
