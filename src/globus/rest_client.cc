// SPDX-License-Identifier: Apache-2.0
#include "globus/rest_client.h"

#include <boost/json.hpp>

#include "api/errors.h"
#include "api/json.h"
#include "base/path.h"
#include "globus/documents_only.h"

namespace wherry::globus {
namespace {

namespace json = boost::json;

// The scopes that a refusal for want of consent names.
std::string required_scopes(std::string_view body) {
  const auto document = api::parse_object(body);
  if (!document) return {};
  std::string code;
  if (!api::Members(*document).get("code", code) || code != "ConsentRequired") return {};
  const auto scopes = api::Members(*document).array("required_scopes");
  std::string text;
  if (!scopes || *scopes == nullptr) return text;
  for (const json::value& scope : **scopes) {
    if (!scope.is_string()) continue;
    if (!text.empty()) text += ' ';
    text += std::string_view(scope.get_string());
  }
  return text;
}

}  // namespace

// Of a good answer `document` has the content.
Sent RestClient::send(const Call& call, const std::string& body, const std::string& token,
                      const std::stop_token& stop, json::object& document) {
  HttpRequest request{std::string(call.method), address_ + call.path, {}, body};
  if (!call.query.empty()) request.url += "?" + form_text(call.query);
  request.headers = {{"Authorization", "Bearer " + token}, {"Accept", "application/json"}};
  if (call.document != nullptr) request.headers.emplace_back("Content-Type", "application/json");
  const Network& network = credentials_.parts().network;
  DocumentsOnly documents(network.http);
  RetryPolicy policy = network.retry;
  if (call.once) policy.attempts = 1;
  Sent sent = send_with_retries({documents, network.clock, network.random, policy}, request, stop);
  document = documents.take();
  return sent;
}

Result<json::object> RestClient::call(const Call& call, std::stop_token stop, int* times_sent) {
  const std::string what = fmt::format("{} {}{}", call.method, address_, call.path);
  const std::string body = call.document != nullptr ? api::to_text(*call.document) : std::string();
  TRY_ASSIGN(std::string token, credentials_.token(kTransferServer, stop));
  int sent_so_far = 0;
  bool has_renewed = false;
  bool has_consented = false;
  for (;;) {
    json::object document;
    const Sent sent = send(call, body, token, stop, document);
    sent_so_far += sent.times_sent;
    if (times_sent != nullptr) *times_sent = sent_so_far;
    if (!sent.outcome) return Error(sent.outcome.error()).with_context(what);
    const HttpAnswer& answer = *sent.outcome;
    if (answer.status < 300) return document;
    if (answer.status == 401 || answer.status == 403) --sent_so_far;  // it has done nothing
    if (answer.status == 401 && !has_renewed) {
      has_renewed = true;
      TRY_ASSIGN(token, credentials_.token_instead_of(token, kTransferServer, stop));
      continue;
    }
    const std::string scopes = answer.status == 403 ? required_scopes(answer.body) : "";
    if (!scopes.empty() && !has_consented) {
      has_consented = true;
      TRY_ASSIGN(const bool consented, credentials_.consent(scopes, kTransferServer, stop));
      if (consented) {
        TRY_ASSIGN(token, credentials_.token(kTransferServer, stop));
        continue;
      }
    }
    Error refused = api::error_from_answer(answer.status, answer.body);
    // Its message ends with the command that agrees.
    if (!scopes.empty()) refused.message += credentials_.service_option();
    if (answer.status == 401) {
      refused.message += credentials_.parts().client
                             ? fmt::format("; see {}", kClientVariables)
                             : "; log in again with: wherry login" + credentials_.service_option();
    }
    return std::move(refused).with_context(what);
  }
}

}  // namespace wherry::globus
