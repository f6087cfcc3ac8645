-- Take the lease if nobody else holds it, and begin a new term.
-- KEYS: lease, epoch.  ARGV: owner, host, ttl in ms.
-- Answers the new epoch, or 0 when somebody holds it. An owner that was killed and started again finds its
-- own lease and need not wait for it to expire: there is only one process of each owner at a time.
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then
  return 0
end
local epoch = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'host', ARGV[2], 'epoch', epoch)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return epoch
