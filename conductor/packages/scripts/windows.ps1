# Satellites run on Linux and macOS; on Windows use an agent of the original, which this conductor serves as well.
$AUTH_TOKEN = "@TOKEN@"
$BASE_URL = "@BASE@"
Write-Error "OpsOrbit satellites run on Linux and macOS. See $BASE_URL for what is supported."
exit 1
