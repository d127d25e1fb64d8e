-- The list of tasks as the gateways keep it in Redis. Whatever is not exactly that is left to a gateway: so is everything while
-- Redis is away or slow.

local redis = require "nginx.redis"
local semaphore = require "ngx.semaphore"

local KEY = "@TASKS_KEY@"
local HOST, PORT = "@TASKS_REDIS_HOST@", @TASKS_REDIS_PORT@
local TIMEOUT_MS, IDLE_MS, POOL = 250, 10000, 16
local PATIENCE_S = 1
-- a Redis that takes longer than this is left alone for a while, as the gateways do
local SLOW_S, REST_S = 0.2, 1

-- of this process of nginx, as its connections are: `run` of Redis, its `copy` of the list, until when somebody is `looking`, the `next` to look,
-- until when nobody is to: `rest`
local state = package.loaded.beeline_tasks or {}
package.loaded.beeline_tasks = state

local function is_for_all()
  local var, method = ngx.var, ngx.req.get_method()
  -- as it was sent: nginx takes other spellings for this one, which a gateway does not know
  return (method == "GET" or method == "HEAD") and var.request_uri == "/api/tasks" and not var.http_authorization
    and not var.http_cookie and not var.http_x_api_key and not var.http_origin
end

local function describe(bytes, version)
  local digest = ngx.encode_base64(ngx.sha1_bin(bytes), true):gsub("+", "-"):gsub("/", "_")
  local next_page = bytes:match('^{"source":"redis%-cache","next":(%d+),')
  local link = next_page and "</api/tasks?before=" .. next_page .. '>; rel="next"'
  return { bytes = bytes, version = version, etag = 'W/"' .. digest .. '"', link = link }
end

-- What is kept, when it still holds. A Redis that was started again may have brought back what was forgotten since: each
-- version begins with the run of Redis that it was made in, and a connection lasts for one run.
local function look()
  if state.rest and ngx.now() < state.rest then return end
  local client = redis:new()
  client:set_timeout(TIMEOUT_MS)
  if not client:connect(HOST, PORT) then return end
  if client:get_reused_times() == 0 then
    local info = client:info("server")
    if not info then return end
    state.run = info:match("run_id:(%w+)")
  end
  client:init_pipeline(2)
  client:exists(KEY)
  client:get(KEY .. ":version")
  local seen = client:commit_pipeline()
  if not seen then return end
  local is_kept, version, run = seen[1] == 1, seen[2], state.run
  local found
  if is_kept and run and type(version) == "string" and version:sub(1, #run) == run then
    found = state.copy
    if not found or found.version ~= version then
      -- both at once: they belong together
      local kept = client:mget(KEY, KEY .. ":version")
      if not kept then return end
      found = nil
      if kept[1] ~= ngx.null and type(kept[2]) == "string" and kept[2]:sub(1, #run) == run then
        found = describe(kept[1], kept[2])
        state.copy = found
      end
    end
  end
  client:set_keepalive(IDLE_MS, POOL)
  return found
end

-- Lets those look who came meanwhile: one of them for all.
local function hand_on()
  local batch = state.next
  state.next = nil
  state.looking = batch and ngx.now() + PATIENCE_S
  if batch then
    batch.leads = true
    batch.gate:post(1)
  end
end

local function look_for(batch)
  local since = ngx.now()
  local ok, found = pcall(look)
  found = ok and found or nil
  if ngx.now() - since > SLOW_S then state.rest = ngx.now() + REST_S end
  if batch then
    batch.found = found
    if batch.waiting > 0 then batch.gate:post(batch.waiting) end
  end
  hand_on()
  return found
end

-- One look at a time; who comes while it is under way shares the next one, which begins after they asked.
local function look_together()
  if not state.looking or ngx.now() > state.looking then
    state.looking = ngx.now() + PATIENCE_S
    return look_for()
  end
  local batch = state.next or { gate = semaphore.new(), waiting = 0 }
  state.next = batch
  batch.waiting = batch.waiting + 1
  local came = batch.gate:wait(PATIENCE_S)
  batch.waiting = batch.waiting - 1
  if came and batch.leads then
    batch.leads = false
    return look_for(batch)
  end
  if not came and batch.leads and batch.waiting == 0 then hand_on() end
  return came and batch.found
end

local list = is_for_all() and look_together()
if not list then return ngx.exec("@tasks") end

-- conditions that a gateway does not ask of a list; nginx would
ngx.req.clear_header("If-Match")
ngx.req.clear_header("If-Unmodified-Since")
local known = ngx.var.http_if_none_match
ngx.var.answered_by = "REDIS"
ngx.header["Content-Type"] = "application/json; charset=utf-8"
ngx.header["Cache-Control"] = "private, no-cache"
ngx.header["X-Cache"] = "HIT"
ngx.header["ETag"] = list.etag
ngx.header["Link"] = list.link
if known and (known == "*" or known:find(list.etag:sub(3), 1, true)) then
  -- ngx.exit(304) would take the tag away (RFC 9110, 15.4.5)
  ngx.status = 304
  return ngx.send_headers()
end
ngx.header["Content-Length"] = #list.bytes
ngx.print(list.bytes)
