-- Take the lease if nobody holds it, and begin a new term.
-- KEYS: lease, epoch.  ARGV: owner, host, ttl in ms.
-- Answers the new epoch, or 0 when somebody holds it.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local epoch = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'host', ARGV[2], 'epoch', epoch)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return epoch
