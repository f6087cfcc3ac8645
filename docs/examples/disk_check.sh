#!/bin/sh
# An event plugin in plain shell: a warning when the file system of the parameter `path` is fuller than `limit`
# percent. Parameters come as environment variables of the same name.

used=$(df -P "${path:-/}" | awk 'NR == 2 { sub("%", "", $5); print $5 }')
if [ -z "$used" ]; then
	echo '{"xy": 1, "code": 1, "description": "There is no such file system"}'
	exit 0
fi
echo "${path:-/} is ${used}% full" # log
printf '{"xy": 1, "perf": {"c_used": %d}}\n' "$used"
if [ "$used" -gt "${limit:-90}" ]; then
	printf '{"xy": 1, "code": "warning", "description": "%s%% full"}\n' "$used"
else
	printf '{"xy": 1, "code": 0, "description": "%s%% full"}\n' "$used"
fi
