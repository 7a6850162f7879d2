// SPDX-License-Identifier: Apache-2.0
#include "globus/url.h"

#include <gtest/gtest.h>

#include <map>

namespace wherry::globus {
namespace {

Environment environment_of(std::map<std::string, std::string, std::less<>> values) {
  return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

TEST(Url, FormsCarryAnyBytes) {
  const Fields fields = {{"path", "/a b/%+&=\xff"}, {"empty", ""}};
  EXPECT_EQ(form_text(fields), "path=%2Fa%20b%2F%25%2B%26%3D%FF&empty=");
  EXPECT_EQ(parse_form(form_text(fields)), fields);
  EXPECT_EQ(parse_form("a=1+2&&=x&b&c=%4"), (Fields{{"a", "1 2"}, {"b", ""}, {"c", "%4"}}));
}

// The vectors of RFC 4648, section 10.
TEST(Url, Base64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xfb\xff"), "+/8=");
  EXPECT_EQ(base64url("\xfb\xff"), "-_8");
}

TEST(Url, GlobusIsWhereItIsUnlessTheVariablesOfItsClientsSayOtherwise) {
  const auto globus = service_address("globus", environment_of({}));
  EXPECT_EQ(globus->transfer, "https://transfer.api.globus.org");
  EXPECT_EQ(globus->auth, "https://auth.globus.org");
  EXPECT_TRUE(globus->is_globus);
  const auto moved = service_address(
      "globus", environment_of({{"GLOBUS_SDK_SERVICE_URL_AUTH", "http://h:1/"},
                                {"GLOBUS_SDK_SERVICE_URL_TRANSFER", "http://h:2"}}));
  EXPECT_EQ(moved->auth, "http://h:1");
  EXPECT_EQ(moved->transfer, "http://h:2");
  EXPECT_EQ(moved->timer, "https://timer.automate.globus.org");
  EXPECT_FALSE(moved->is_globus);
}

TEST(Url, AWherryIsOneAddressForAll) {
  const auto address = service_address("https://wherry.example.org:8443/", environment_of({}));
  EXPECT_EQ(address->auth, "https://wherry.example.org:8443");
  EXPECT_EQ(address->transfer, address->auth);
  EXPECT_EQ(address->timer, address->auth);
  for (const char* bad : {"", "globus.org", "ftp://h", "https://", "https://h/v1", "http://u@h",
                          "http://h\\x", "http://h?x"}) {
    const auto refused = service_address(bad, environment_of({}));
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Code::kInvalid) << bad;
  }
}

TEST(Url, HttpOptionsComeFromTheVariablesOfGlobusClients) {
  EXPECT_TRUE(http_options(environment_of({}))->verify);
  EXPECT_FALSE(http_options(environment_of({{"GLOBUS_SDK_VERIFY_SSL", "False"}}))->verify);
  EXPECT_TRUE(http_options(environment_of({{"GLOBUS_SDK_VERIFY_SSL", "yes"}}))->verify);
  const auto bundle = http_options(environment_of({{"GLOBUS_SDK_VERIFY_SSL", "/ca.pem"}}));
  EXPECT_TRUE(bundle->verify);
  EXPECT_EQ(bundle->ca_bundle, "/ca.pem");
  const auto silence = [](const char* text) {
    return http_options(environment_of({{"GLOBUS_SDK_HTTP_TIMEOUT", text}}));
  };
  EXPECT_EQ(silence("2.5")->silence, std::chrono::milliseconds(2500));
  EXPECT_EQ(silence("-1")->silence, Duration(0));
  for (const char* bad : {"0", "-2", "ten", "1e9", "5s"}) EXPECT_FALSE(silence(bad)) << bad;
}

}  // namespace
}  // namespace wherry::globus
