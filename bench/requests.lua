-- SPDX-License-Identifier: Apache-2.0
-- For wrk: sends one request again and again, with the token in WHERRY_TOKEN; if WHERRY_TRANSFER is
-- the text of a transfer document, posts it with a new submission id each time. Prints one line of
-- JSON; times are in microseconds.

local token = os.getenv("WHERRY_TOKEN")
if token then wrk.headers["Authorization"] = "Bearer " .. token end

local transfer = os.getenv("WHERRY_TRANSFER")
if transfer then
  local run, count = os.getenv("WHERRY_RUN"), 0
  wrk.headers["Content-Type"] = "application/json"
  request = function()
    count = count + 1
    local id = string.format("%08x-0000-4000-8000-%012x", run, count)
    return wrk.format("POST", nil, nil, (transfer:gsub("SUBMISSION", id)))
  end
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
