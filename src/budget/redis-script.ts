/**
 * A report entered in the books that Redis keeps, in one step and by its own clock: the rules of `enter`, in Lua.
 * A report that says what the last one said, while nothing else is due, costs the same however many members there are.
 *
 * KEYS: members, alive, book, recalls, sequences. ARGV: see `argumentsOf`.
 */
export const script = `
local members, alive, book, recalls, sequences = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local me, sequence = ARGV[1], tonumber(ARGV[2])
local weight, limit, ttl = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local turn, recallAfter = tonumber(ARGV[6]), tonumber(ARGV[7])
local knownEpoch, newEpoch, holdsText, asksText, channel = ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local text = ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. holdsText .. ' ' .. asksText

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function number(value, otherwise)
  return tonumber(value or otherwise) or otherwise
end

local function answer(stale, granted, lost, recall)
  local facts = redis.call('HMGET', book, 'epoch', 'limit', 'out', 'waiting', 'members')
  local first = redis.call('ZRANGE', alive, 0, 0, 'WITHSCORES')
  return { stale, facts[1], table.concat(granted, ','), table.concat(lost, ','), recall,
    number(facts[2], limit), number(facts[3], 0), number(facts[4], 0), number(facts[5], 0),
    first[2] and tonumber(first[2]) - now or -1 }
end

local facts = redis.call('HMGET', book, 'epoch', 'closedUntil', 'due')
local epoch, closedUntil, due = facts[1], number(facts[2], 0), number(facts[3], math.huge)
if not epoch then
  epoch = newEpoch
  redis.call('HSET', book, 'epoch', epoch)
end
if knownEpoch ~= '' and knownEpoch ~= epoch and now + ttl > closedUntil then
  closedUntil = now + ttl
  redis.call('HSET', book, 'closedUntil', closedUntil)
end

local dead = redis.call('ZRANGEBYSCORE', alive, '-inf', now)
for _, name in ipairs(dead) do
  redis.call('HDEL', members, name)
  redis.call('HDEL', recalls, name)
  redis.call('HDEL', sequences, name)
  redis.call('ZREM', alive, name)
  -- Whoever reports next looks at everything, even if this report turns out to be stale.
  redis.call('HSET', book, 'due', 0)
end

local encoded = redis.call('HGET', members, me)
if encoded and number(redis.call('HGET', sequences, me), 0) >= sequence then
  return answer(1, {}, {}, 0)
end
local known = encoded and cjson.decode(encoded)

local function keep()
  redis.call('ZADD', alive, now + ttl, me)
  redis.call('HSET', sequences, me, sequence)
  local forgetAfter = math.max(ttl * 10, 3600000)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, forgetAfter) end
end

if known and #dead == 0 and known.text == text and now < due then
  keep()
  return answer(0, {}, {}, number(redis.call('HGET', recalls, me), 0))
end

-- All members, with what this one says now.
local accounts, byName = {}, {}
local flat = redis.call('HGETALL', members)
for index = 1, #flat, 2 do
  if flat[index] ~= me then
    local account = cjson.decode(flat[index + 1])
    account.name = flat[index]
    accounts[#accounts + 1] = account
    byName[account.name] = account
  end
end
local mine = { name = me, w = weight, l = limit, text = text, h = {}, a = {}, g = known and known.g or 0 }
accounts[#accounts + 1] = mine
byName[me] = mine

local function entries(list)
  local found = {}
  for id, floor in string.gmatch(list, '(%d+)(f?)') do
    found[#found + 1] = { tonumber(id), floor == 'f' and 1 or 0 }
  end
  return found
end
local holds, asks = entries(holdsText), entries(asksText)
local had, asked = {}, {}
if known then
  for _, held in ipairs(known.h) do had[held[1]] = held end
  for _, wanted in ipairs(known.a) do asked[wanted[1]] = wanted end
end
local granted, lost = {}, {}
if mine.g == 0 and #holds > 0 then mine.g = now end
for _, entry in ipairs(holds) do
  local held = had[entry[1]]
  if held then mine.h[#mine.h + 1] = { entry[1], entry[2], held[3] } end
end
for _, entry in ipairs(asks) do
  local held = had[entry[1]]
  if held then
    mine.h[#mine.h + 1] = { entry[1], entry[2], held[3] }
    granted[#granted + 1] = entry[1]
  end
end
local lowest, out = limit, 0
for _, account in ipairs(accounts) do
  lowest = math.min(lowest, account.l)
  out = out + #account.h
end
for _, entry in ipairs(holds) do
  if not had[entry[1]] then
    if out < lowest then
      mine.h[#mine.h + 1] = { entry[1], entry[2], now }
      out = out + 1
    else
      lost[#lost + 1] = entry[1]
    end
  end
end
for _, entry in ipairs(asks) do
  if not had[entry[1]] then
    local wanted = asked[entry[1]]
    if wanted then
      mine.a[#mine.a + 1] = { entry[1], entry[2], wanted[3], wanted[4] }
    else
      mine.a[#mine.a + 1] = { entry[1], entry[2], redis.call('HINCRBY', book, 'ticket', 1), now }
    end
  end
end

-- How many permits each member is to have.
local function claims(ripeOnly)
  local all = {}
  for index, account in ipairs(accounts) do
    local claim = { index = index, name = account.name, weight = account.w, held = #account.h,
      floorHeld = 0, wanted = 0, floorWanted = 0, ticket = math.huge, last = account.g, since = math.huge }
    for _, held in ipairs(account.h) do
      claim.floorHeld = claim.floorHeld + held[2]
    end
    for _, wanted in ipairs(account.a) do
      if not ripeOnly or wanted[2] == 1 or now - wanted[4] >= recallAfter then
        claim.wanted = claim.wanted + 1
        claim.floorWanted = claim.floorWanted + wanted[2]
        claim.ticket = math.min(claim.ticket, wanted[3])
        claim.since = math.min(claim.since, wanted[4])
      end
    end
    claim.since = math.max(claim.last, claim.since)
    claim.demand = claim.held + claim.wanted
    claim.floor = claim.floorHeld + claim.floorWanted
    all[index] = claim
  end
  return all
end

local function targets(all)
  local demand, floor, high = 0, 0, 0
  for _, claim in ipairs(all) do
    demand = demand + claim.demand
    floor = floor + claim.floor
    high = math.max(high, claim.demand / claim.weight)
  end
  local wish = {}
  if demand <= lowest then
    for index, claim in ipairs(all) do wish[index] = claim.demand end
    return wish
  end
  if floor >= lowest then
    for index, claim in ipairs(all) do wish[index] = claim.floorHeld end
    return wish
  end
  local weights = 0
  for _, claim in ipairs(all) do weights = weights + claim.weight end
  -- What is given grows with the level in straight pieces: a step along one is the answer, or brings it nearer.
  local low, level = 0, lowest / weights
  for _ = 1, 60 do
    local given, slope = 0, 0
    for _, claim in ipairs(all) do
      local fair = level * claim.weight
      given = given + math.min(claim.demand, math.max(claim.floor, fair))
      if fair > claim.floor and fair < claim.demand then slope = slope + claim.weight end
    end
    if math.abs(given - lowest) < 1e-9 then break end
    if given > lowest then high = math.min(high, level) else low = math.max(low, level) end
    local along = level + (lowest - given) / slope
    level = (along > low and along < high) and along or (low + high) / 2
  end
  local left, contenders = lowest, {}
  for index, claim in ipairs(all) do
    local fair = math.min(claim.demand, math.max(claim.floor, level * claim.weight))
    wish[index] = math.floor(fair + 1e-6)
    left = left - wish[index]
    claim.fraction = fair - wish[index]
    if claim.fraction > 1e-6 then contenders[#contenders + 1] = claim end
  end
  local usual = left / math.max(1, #contenders)
  for _, claim in ipairs(contenders) do
    if claim.held <= wish[claim.index] then
      claim.rank, claim.order = 1, claim.since
    else
      local inTurn = now - claim.last < turn * claim.fraction / usual
      claim.rank, claim.order = inTurn and 0 or 2, -claim.last
    end
  end
  table.sort(contenders, function(one, other)
    if one.rank ~= other.rank then return one.rank < other.rank end
    if one.order ~= other.order then return one.order < other.order end
    -- Not by tickets first: who had its turn with one of many old requests is not before all who came later.
    if one.rank == 1 and one.ticket ~= other.ticket then return one.ticket < other.ticket end
    return one.name < other.name
  end)
  for place = 1, math.min(left, #contenders) do
    local index = contenders[place].index
    wish[index] = wish[index] + 1
  end
  return wish
end

local wake = {}
if now >= closedUntil and out < lowest then
  local wish = targets(claims(false))
  local queue = {}
  for index, account in ipairs(accounts) do
    for _, wanted in ipairs(account.a) do
      queue[#queue + 1] = { index = index, account = account, wanted = wanted }
    end
  end
  table.sort(queue, function(one, other)
    if one.wanted[2] ~= other.wanted[2] then return one.wanted[2] > other.wanted[2] end
    return one.wanted[3] < other.wanted[3]
  end)
  for _, place in ipairs(queue) do
    if out >= lowest then break end
    local account, wanted = place.account, place.wanted
    if wanted[2] == 1 or #account.h < wish[place.index] then
      for index, each in ipairs(account.a) do
        if each == wanted then table.remove(account.a, index) break end
      end
      account.h[#account.h + 1] = { wanted[1], wanted[2], now }
      out = out + 1
      account.text = ''
      account.g = now
      if account == mine then
        granted[#granted + 1] = wanted[1]
      else
        account.touched = true
        wake[account.name] = true
      end
    end
  end
end

local calledBefore, flatRecalls = {}, redis.call('HGETALL', recalls)
for index = 1, #flatRecalls, 2 do
  calledBefore[flatRecalls[index]] = tonumber(flatRecalls[index + 1])
end
redis.call('DEL', recalls)
local recall, waiting, unripe, count = 0, 0, false, #accounts
local called = claims(true)
local wish = targets(called)
for index, account in ipairs(accounts) do
  waiting = waiting + #account.a
  if called[index].wanted < #account.a then unripe = true end
  local surplus = math.max(0, #account.h - wish[index])
  if surplus > 0 then
    redis.call('HSET', recalls, account.name, surplus)
    if account == mine then
      recall = surplus
    elseif surplus > (calledBefore[account.name] or 0) then
      -- Whoever knows is not woken again: two who have too much would wake each other for ever.
      wake[account.name] = true
    end
  end
end

local function store(account)
  redis.call('HSET', members, account.name,
    cjson.encode({ w = account.w, l = account.l, text = account.text, h = account.h, a = account.a, g = account.g }))
end
for _, account in ipairs(accounts) do
  if account.touched then store(account) end
end
if #mine.h + #mine.a == 0 then
  redis.call('HDEL', members, me)
  redis.call('HDEL', sequences, me)
  redis.call('ZREM', alive, me)
  count = count - 1
  lowest = nil
  for _, account in ipairs(accounts) do
    if account ~= mine then lowest = math.min(lowest or account.l, account.l) end
  end
  lowest = lowest or limit
else
  store(mine)
  keep()
end

if waiting == 0 then
  redis.call('HDEL', book, 'due')
else
  local wait = turn / 4
  if unripe then wait = math.min(wait, recallAfter) end
  if closedUntil > now then wait = math.min(wait, closedUntil - now) end
  redis.call('HSET', book, 'due', now + math.ceil(math.max(1, wait)))
end
redis.call('HSET', book, 'limit', lowest, 'out', out, 'waiting', waiting, 'members', count)

local names = {}
for name in pairs(wake) do names[#names + 1] = name end
-- A user who may not publish has members that ask again instead.
if #names > 0 then redis.pcall('PUBLISH', channel, table.concat(names, ',')) end
return answer(0, granted, lost, recall)
`;
