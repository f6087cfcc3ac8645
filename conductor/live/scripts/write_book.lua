-- Apply a batch of operations to the active-job book, all under one epoch.
-- KEYS: epoch, set of job IDs.  ARGV: epoch, prefix of job hashes, prefix of idempotency keys, msgpack operations.
-- Answers one value per operation; every operation can be repeated without harm.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('DEPOSED another conductor is primary')
end

local job_prefix, idempotency_prefix = ARGV[2], ARGV[3]

local function put(id, doc, live)
  redis.call('HSET', job_prefix .. id, 'doc', doc, 'live', live)
  redis.call('SADD', KEYS[2], id)
end

local operations = {}

-- A new job. With an idempotency key that was used before, the job made then is answered instead.
function operations.accept(id, doc, live, idempotency_key, keep_ms)
  if idempotency_key ~= '' then
    local earlier = redis.call('GET', idempotency_prefix .. idempotency_key)
    if earlier and earlier ~= id then
      return earlier
    end
    redis.call('SET', idempotency_prefix .. idempotency_key, id, 'PX', keep_ms)
  end
  if redis.call('EXISTS', job_prefix .. id) == 0 then
    put(id, doc, live)
  end
  return id
end

-- What has changed on a job since it was accepted; a job that has left the book stays gone.
function operations.update(id, live)
  if redis.call('EXISTS', job_prefix .. id) == 0 then
    return 0
  end
  redis.call('HSET', job_prefix .. id, 'live', live)
  return 1
end

-- A job is settled: it leaves, and what follows it enters in the same step.
function operations.settle(id, follow_ups)
  redis.call('DEL', job_prefix .. id)
  redis.call('SREM', KEYS[2], id)
  for _, job in ipairs(follow_ups) do
    if redis.call('EXISTS', job_prefix .. job[1]) == 0 then
      put(job[1], job[2], job[3])
    end
  end
  return 1
end

-- Redis was restarted: write a job as the primary knows it.
function operations.restore(id, doc, live)
  put(id, doc, live)
  return 1
end

-- Redis was restarted: forget jobs that the primary has settled meanwhile.
function operations.retain(ids)
  local kept = {}
  for _, id in ipairs(ids) do
    kept[id] = true
  end
  for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    if not kept[id] then
      redis.call('DEL', job_prefix .. id)
      redis.call('SREM', KEYS[2], id)
    end
  end
  return 1
end

local answers = {}
for i, operation in ipairs(cmsgpack.unpack(ARGV[4])) do
  answers[i] = operations[operation[1]](unpack(operation, 2))
end
return answers
