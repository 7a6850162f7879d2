// SPDX-License-Identifier: Apache-2.0
#include "server/answer_cache.h"

#include <utility>

#include "server/forms.h"
#include "server/secrets.h"

namespace wherry::server {
namespace {

// All that tells one request from another, as one text; nothing for a request whose answer is never
// kept. Each part has its length in front, so that no two requests make the same text.
std::optional<std::string> key_of(const Request& request) {
  if (request.method != Method::kGet && request.method != Method::kHead) return std::nullopt;
  if (!request.body.empty()) return std::nullopt;
  const auto token = bearer_token(request);
  if (!token) return std::nullopt;
  std::string key = token_digest(*token);
  const auto add = [&key](std::string_view part) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  };
  add(request.path);
  for (const auto& [name, value] : request.query) {
    add(name);
    add(value);
  }
  return key;
}

}  // namespace

std::optional<std::int64_t> AnswerCache::version() {
  const auto version = database_.version();
  return version ? std::optional(*version) : std::nullopt;
}

std::shared_ptr<const AnswerCache::Kept> AnswerCache::find(const Request& request) {
  const auto version = database_.version_at_once();
  if (!version) return nullptr;
  const auto key = key_of(request);
  if (!key) return nullptr;
  std::shared_ptr<const Kept> kept;
  {
    const std::lock_guard lock(mutex_);
    const auto found = version_ == *version ? answers_.find(*key) : answers_.end();
    if (found == answers_.end()) return nullptr;
    kept = found->second;
  }
  return kept->expires > clock_.now() ? kept : nullptr;
}

void AnswerCache::keep(const Request& request, std::int64_t version, Kept kept) {
  const std::size_t bytes = kept.response.body.size();
  const auto key = key_of(request);
  if (!key || !kept.response.holds_until_commit || bytes > limits_.answer_bytes) return;
  const auto shared = std::make_shared<const Kept>(std::move(kept));
  Answers forgotten;  // destroyed when nobody waits for the mutex any more
  const std::lock_guard lock(mutex_);
  const bool is_full = answers_.size() >= limits_.answers || bytes_ + bytes > limits_.bytes;
  if (version != version_ || is_full) {
    forgotten.swap(answers_);
    bytes_ = 0;
    version_ = version;
  }
  const bool is_new = answers_.emplace(*key, shared).second;
  if (is_new) bytes_ += bytes;
}

}  // namespace wherry::server
