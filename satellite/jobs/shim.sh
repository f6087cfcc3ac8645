#!/bin/sh
# The parent of one job's command. It outlives the satellite, and leaves on disk what only a parent knows.
#
#   shim.sh STATE COMMAND [ARGUMENT...]
#
# Standard input, output and error are the job's files already. In directory STATE it writes
#   started   created exclusively before the command: this process's /proc stat line (its PID where there is
#             no /proc), then the shell's own words if the command is killed by a signal ("Killed")
#   exit      the command's status and a newline, last of all; without the newline it is not valid
# A second shim for the same directory ends at `started` and runs nothing.

state=$1
shift
exec 3>&2 2>/dev/null
read -r stat </proc/self/stat || stat=$$
set -C
exec 2>"$state/started" || exit 1
echo "$stat" >&2
# A signal to the whole group must not take the witness away. Caught (not ignored) signals are back at their
# default in the command.
trap : HUP INT QUIT TERM

if [ -p "$state/out" ]; then
	# The program opens /dev/stdout or /dev/stderr by name. On a file that truncates what was written before,
	# on a pipe it does not, so pipes stand between. The copiers end when the last writer does.
	(trap '' HUP INT QUIT TERM; exec cat) <"$state/out" 3>&- &
	(trap '' HUP INT QUIT TERM; exec cat) <"$state/err" >&3 3>&- &
	(exec "$@") >"$state/out" 2>"$state/err" 3>&-
	status=$?
	until wait; do :; done
else
	(exec "$@") 2>&3 3>&-
	status=$?
fi
echo "$status" >"$state/exit"
exit "$status"
