-- Redis was lost, and with it the number of the last term: go on from a number that is known elsewhere.
-- KEYS: epoch.  ARGV: the least it must be.
if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
