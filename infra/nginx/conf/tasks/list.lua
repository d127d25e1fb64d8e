-- The list of tasks as the gateways keep it in Redis. Whatever is not exactly that is left to a gateway: so is everything while
-- Redis is away or slow.

local redis = require "nginx.redis"

local KEY = "@TASKS_KEY@"
local HOST, PORT = "@TASKS_REDIS_HOST@", @TASKS_REDIS_PORT@
local TIMEOUT_MS, IDLE_MS, POOL = 250, 10000, 64

-- of this process of nginx, as its connections are
local seen = package.loaded.seen_redis or {}
package.loaded.seen_redis = seen

local function is_for_all()
  local var, method = ngx.var, ngx.req.get_method()
  return (method == "GET" or method == "HEAD") and not var.args and not var.http_authorization and not var.http_cookie
    and not var.http_x_api_key and not var.http_origin
end

-- What is kept, when it still holds. A Redis that was started again may have brought back what was forgotten since: each
-- version begins with the run of Redis that it was made in, and a connection lasts for one run.
local function look()
  local client = redis:new()
  client:set_timeout(TIMEOUT_MS)
  if not client:connect(HOST, PORT) then return end
  if client:get_reused_times() == 0 then
    local info = client:info("server")
    seen.run = info and info:match("run_id:(%w+)")
  end
  local kept = client:mget(KEY, KEY .. ":version")
  if not kept then return end
  client:set_keepalive(IDLE_MS, POOL)
  local bytes, version = kept[1], kept[2]
  if bytes == ngx.null or version == ngx.null or not seen.run then return end
  if version:sub(1, #seen.run) == seen.run then return bytes end
end

local function is_known(etag)
  local known = ngx.var.http_if_none_match
  if not known then return false end
  return known == "*" or known:find(etag:sub(3), 1, true) ~= nil
end

local bytes = is_for_all() and look()
if not bytes then return ngx.exec("@tasks") end

local etag = 'W/"' .. ngx.encode_base64(ngx.sha1_bin(bytes), true):gsub("+", "-"):gsub("/", "_") .. '"'
local next_page = bytes:match('^{"source":"redis%-cache","next":(%d+),')
ngx.var.answered_by = "REDIS"
ngx.header["Content-Type"] = "application/json; charset=utf-8"
ngx.header["Cache-Control"] = "private, no-cache"
ngx.header["X-Cache"] = "HIT"
ngx.header["ETag"] = etag
if next_page then ngx.header["Link"] = "</api/tasks?before=" .. next_page .. '>; rel="next"' end
if is_known(etag) then return ngx.exit(304) end
ngx.header["Content-Length"] = #bytes
ngx.print(bytes)
