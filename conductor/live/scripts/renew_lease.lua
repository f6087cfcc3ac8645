-- Prolong the lease if it is still ours: same owner, same epoch.
-- KEYS: lease, epoch.  ARGV: owner, epoch, ttl in ms, host.
-- Answers 1 when renewed. An expired lease that nobody took since is taken up again under the same epoch.
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then
  return 0
end
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return 0
end
if not owner then -- only then: a Redis that is full refuses to store, and prolongs all the same
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'host', ARGV[4], 'epoch', ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
