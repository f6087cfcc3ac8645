-- Apply a batch of operations to the active-job book, all under one epoch.
-- KEYS: epoch, set of job IDs, hash of firing marks, hash of cursors, hash of what the event log has to learn.
-- ARGV: epoch, prefix of job hashes, prefix of idempotency keys; then for each operation the number of its
-- words, its name and its arguments.
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

local function set_cursor(field, value)
  if value == '' then
    redis.call('HDEL', KEYS[4], field)
  else
    redis.call('HSET', KEYS[4], field, value)
  end
end

-- A new job. With an idempotency key or a firing mark that was used before, the job made then is answered
-- instead. The cursor of a firing moves in the same step, whichever job is answered.
function operations.accept(id, doc, live, idempotency_key, keep_ms, mark, field, cursor)
  if mark ~= '' then
    if field ~= '' then
      set_cursor(field, cursor)
    end
    local earlier = redis.call('HGET', KEYS[3], mark)
    if earlier and earlier ~= id then
      return earlier
    end
    redis.call('HSET', KEYS[3], mark, id)
  end
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

-- Whoever asked for this job has given up before the answer came: it was never promised.
function operations.withdraw(id, idempotency_key, mark, field, before)
  if mark ~= '' and redis.call('HGET', KEYS[3], mark) == id then
    redis.call('HDEL', KEYS[3], mark)
    if field ~= '' then
      set_cursor(field, before)
    end
  end
  redis.call('DEL', job_prefix .. id)
  redis.call('SREM', KEYS[2], id)
  if idempotency_key ~= '' and redis.call('GET', idempotency_prefix .. idempotency_key) == id then
    redis.call('DEL', idempotency_prefix .. idempotency_key)
  end
  return 1
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
function operations.settle(id, ...)
  redis.call('DEL', job_prefix .. id)
  redis.call('SREM', KEYS[2], id)
  local follow_ups = {...}
  for i = 1, #follow_ups, 3 do
    if redis.call('EXISTS', job_prefix .. follow_ups[i]) == 0 then
      put(follow_ups[i], follow_ups[i + 1], follow_ups[i + 2])
    end
  end
  return 1
end

-- A job starts others that it stands for: its change, and all of them, in one step.
function operations.fan_out(id, live, ...)
  if redis.call('EXISTS', job_prefix .. id) == 0 then
    return 0
  end
  redis.call('HSET', job_prefix .. id, 'live', live)
  local jobs = {...}
  for i = 1, #jobs, 3 do
    if redis.call('EXISTS', job_prefix .. jobs[i]) == 0 then
      put(jobs[i], jobs[i + 1], jobs[i + 2])
    end
  end
  return 1
end

-- A job leaves without a trace; the one that stands for it learns of it in the same step.
function operations.drop(id, parent, live)
  redis.call('DEL', job_prefix .. id)
  redis.call('SREM', KEYS[2], id)
  if parent and redis.call('EXISTS', job_prefix .. parent) == 1 then
    redis.call('HSET', job_prefix .. parent, 'live', live)
  end
  return 1
end

-- A step of a workflow: the sub-job that led to it leaves (unless it is ''), the workflow job's own fields
-- change (an empty value removes one), and the sub-jobs that follow enter. When the workflow job has left the
-- book nothing follows.
function operations.advance(id, ended, field_words, ...)
  local rest = {...}
  if ended ~= '' then
    redis.call('DEL', job_prefix .. ended)
    redis.call('SREM', KEYS[2], ended)
  end
  if redis.call('EXISTS', job_prefix .. id) == 0 then
    return 0
  end
  local fields = tonumber(field_words)
  for i = 1, fields, 2 do
    if rest[i + 1] == '' then
      redis.call('HDEL', job_prefix .. id, rest[i])
    else
      redis.call('HSET', job_prefix .. id, rest[i], rest[i + 1])
    end
  end
  for i = fields + 1, #rest, 3 do
    if redis.call('EXISTS', job_prefix .. rest[i]) == 0 then
      put(rest[i], rest[i + 1], rest[i + 2])
    end
  end
  return 1
end

-- Redis was restarted: write a job as the primary knows it.
function operations.restore(id, doc, live, ...)
  put(id, doc, live)
  if select('#', ...) > 0 then
    redis.call('HSET', job_prefix .. id, ...)
  end
  return 1
end

-- Minutes up to this one need not be looked at again.
function operations.cursor(field, value)
  set_cursor(field, value)
  return 1
end

-- An operation by which a job leaves, and what the event log has still to learn of it: ID, row, ID, row...
function operations.told(count, ...)
  local rest = {...}
  local entries = tonumber(count)
  for i = 1, entries, 2 do
    redis.call('HSET', KEYS[5], rest[i], rest[i + 1])
  end
  return operations[rest[entries + 1]](unpack(rest, entries + 2))
end

-- Redis was restarted: write what the log has not learned as the primary knows it.
function operations.tell(id, row)
  return redis.call('HSET', KEYS[5], id, row)
end

-- The log has learned of these, or what they tell of has been undone.
function operations.forget(...)
  return redis.call('HDEL', KEYS[5], ...)
end

-- Redis was restarted: write a firing mark as the primary knows it.
function operations.mark(mark, id)
  redis.call('HSET', KEYS[3], mark, id)
  return 1
end

-- The minutes of these marks are behind the cursors.
function operations.unmark(...)
  return redis.call('HDEL', KEYS[3], ...)
end

local answers = {}
local at = 4
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  answers[#answers + 1] = operations[ARGV[at + 1]](unpack(ARGV, at + 2, at + words))
  at = at + words + 1
end
return answers
