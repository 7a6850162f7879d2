// SPDX-License-Identifier: Apache-2.0
#include "api/errors.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "api/json.h"

namespace wherry::api {
namespace {

using testing::HasSubstr;

constexpr Code kAllCodes[] = {
    Code::kNotFound, Code::kAlreadyExists, Code::kDenied,  Code::kLoginNeeded, Code::kInvalid,
    Code::kConflict, Code::kNoSpace,       Code::kCorrupt, Code::kUnsupported, Code::kUnavailable,
    Code::kTimeout,  Code::kCancelled,     Code::kBug};
constexpr Situation kFileOperations[] = {Situation::kList, Situation::kStat,
                                         Situation::kMakeDirectory, Situation::kRename,
                                         Situation::kMakeSymlink};

std::string shown(Code code, Situation situation) {
  const HttpError error = http_error(make_error(code, "why"), situation);
  EXPECT_EQ(error.message, "why");
  return fmt::format("{} {}", error.status, error.code);
}

TEST(Errors, WhatIsNotFoundHasTheCodeThatClientsCompare) {
  EXPECT_EQ(shown(Code::kNotFound, Situation::kStat), "404 NotFound");
  EXPECT_EQ(shown(Code::kNotFound, Situation::kList), "404 ClientError.NotFound");
  EXPECT_EQ(shown(Code::kNotFound, Situation::kEndpoint), "404 EndpointNotFound");
  EXPECT_EQ(shown(Code::kNotFound, Situation::kBookmark), "404 BookmarkNotFound");
  EXPECT_EQ(shown(Code::kNotFound, Situation::kGeneral), "404 ClientError.NotFound");
}

TEST(Errors, RefusalsTellTheServiceFromTheEndpoint) {
  EXPECT_EQ(shown(Code::kDenied, Situation::kGeneral), "403 PermissionDenied");
  EXPECT_EQ(shown(Code::kDenied, Situation::kList), "403 EndpointPermissionDenied");
  EXPECT_EQ(shown(Code::kDenied, Situation::kAuthentication),
            "401 ClientError.AuthenticationFailed");
  EXPECT_EQ(shown(Code::kDenied, Situation::kConsent), "403 ConsentRequired");
  EXPECT_EQ(shown(Code::kConflict, Situation::kPaused), "409 OperationPaused");
  EXPECT_EQ(shown(Code::kInvalid, Situation::kNoItems),
            "400 ClientError.BadRequest.NoTransferItems");
  EXPECT_EQ(shown(Code::kAlreadyExists, Situation::kMakeDirectory),
            "502 ExternalError.MkdirFailed.Exists");
}

TEST(Errors, ClientsDoNotRepeatWhatAnEndpointRefused) {
  for (const Situation situation : kFileOperations) {
    for (const Code code : kAllCodes) {
      if (code == Code::kBug) continue;
      const HttpError error = http_error(make_error(code, "why"), situation);
      const bool is_external = error.code.find("ExternalError") != std::string::npos ||
                               error.code.find("EndpointError") != std::string::npos;
      EXPECT_TRUE(error.status < 500 || (error.status == 502 && is_external))
          << error.status << ' ' << error.code;
    }
  }
}

TEST(Errors, AFileOperationsErrorComesBackWithItsCode) {
  for (const Situation situation : kFileOperations) {
    for (const Code code :
         {Code::kNotFound, Code::kAlreadyExists, Code::kDenied, Code::kConflict, Code::kNoSpace,
          Code::kUnsupported, Code::kUnavailable, Code::kTimeout}) {
      const Error sent = make_error(code, "why");
      const HttpError wire = http_error(sent, situation);
      const Error got = error_from_answer(wire.status, error_document(wire, {"r", "/x", {}}));
      EXPECT_EQ(got.code, sent.code) << wire.code;
      EXPECT_EQ(got.retry, sent.retry) << wire.code;
    }
  }
}

TEST(Errors, TheDocumentHasTheFourStringsThatClientsRead) {
  const std::string text = error_document({404, "EndpointNotFound", "no such \xff"},
                                          {"aB3xYz12q", "/v0.10/endpoint/x", {}});
  const auto document = parse_object(text).value();
  EXPECT_EQ(document.size(), 4u);
  EXPECT_EQ(document.at("code"), "EndpointNotFound");
  EXPECT_EQ(document.at("message"), "no such \\xff");
  EXPECT_EQ(document.at("request_id"), "aB3xYz12q");
  EXPECT_EQ(document.at("resource"), "/v0.10/endpoint/x");
}

TEST(Errors, AMissingConsentNamesTheScopes) {
  const HttpError error = http_error(make_error(Code::kDenied, "no consent"), Situation::kConsent);
  const std::string text = error_document(error, {"r", "/x", {"a[*b]"}});
  const auto document = parse_object(text).value();
  EXPECT_EQ(document.at("required_scopes").at(0), "a[*b]");
  EXPECT_EQ(document.at("authorization_parameters").at("required_scopes").at(0), "a[*b]");
  const Error got = error_from_answer(403, text);
  EXPECT_EQ(got.code, Code::kLoginNeeded);
  EXPECT_EQ(got.retry, Retry::kAfterUser);
  EXPECT_THAT(got.message, HasSubstr("; to agree: wherry session consent 'a[*b]'"));
}

TEST(Errors, AnAnswerSaysWhetherToTryAgain) {
  EXPECT_EQ(error_from_answer(503, R"({"code":"ExternalError.X"})").retry, Retry::kLater);
  EXPECT_EQ(error_from_answer(429, "slow down").retry, Retry::kLater);
  EXPECT_EQ(error_from_answer(502, R"({"code":"ExternalError.MkdirFailed"})").retry, Retry::kNever);
  EXPECT_EQ(error_from_answer(502, "<html>bad gateway</html>").retry, Retry::kLater);
  EXPECT_EQ(error_from_answer(401, "{}").code, Code::kLoginNeeded);
  EXPECT_EQ(error_from_answer(401, "{}").retry, Retry::kAfterUser);
  EXPECT_EQ(error_from_answer(403, "{}").code, Code::kDenied);
  EXPECT_EQ(error_from_answer(409, R"({"code":"Conflict"})").retry, Retry::kNever);
  EXPECT_EQ(error_from_answer(400, R"({"code":null,"message":7})").code, Code::kInvalid);
}

TEST(Errors, AnswersOfAuthAndTimersAreUnderstood) {
  const Error grant = error_from_answer(400, R"({"error":"invalid_grant"})");
  EXPECT_EQ(grant.code, Code::kLoginNeeded);
  EXPECT_EQ(grant.retry, Retry::kAfterUser);
  EXPECT_THAT(
      error_from_answer(401, R"({"errors":[{"code":"UNAUTHORIZED","detail":"log in"}]})").message,
      HasSubstr("UNAUTHORIZED: log in"));
  EXPECT_THAT(error_from_answer(404, R"({"error":{"code":"NF","detail":"no timer"}})").message,
              HasSubstr("NF: no timer"));
  EXPECT_THAT(error_from_answer(422, R"({"detail":[{"msg":"field required"}]})").message,
              HasSubstr("field required"));
}

}  // namespace
}  // namespace wherry::api
