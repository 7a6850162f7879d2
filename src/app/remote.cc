// SPDX-License-Identifier: Apache-2.0
#include "app/remote.h"

#include "base/clock.h"
#include "base/random.h"
#include "globus/globus_service.h"

namespace wherry::app {
namespace {

class Remote : public RemoteService {
 public:
  struct Parts {
    globus::ServiceAddress address;
    globus::HttpOptions http;
    std::optional<globus::ClientSecret> client;
    std::string tokens_file;
    std::string app_id;
    std::string name;
  };
  explicit Remote(Parts parts)
      : http_(globus::make_http_client(parts.http)),
        store_(std::move(parts.tokens_file), system_clock()),
        credentials_({{*http_, system_clock(), system_random(), {}},
                      store_,
                      parts.address.auth,
                      std::move(parts.client),
                      std::move(parts.name)}),
        login_(credentials_, {std::move(parts.app_id), !parts.address.is_globus}),
        service_(globus::make_globus_service({parts.address.transfer, parts.address.is_globus},
                                             credentials_, system_clock())) {}

  tasks::TransferService& service() override { return *service_; }
  globus::LoginFlow& login() override { return login_; }

 private:
  std::unique_ptr<globus::HttpClient> http_;
  globus::TokenStore store_;
  globus::Credentials credentials_;
  globus::LoginFlow login_;
  std::unique_ptr<tasks::TransferService> service_;
};

}  // namespace

Result<std::unique_ptr<RemoteService>> RemoteService::open(const std::string& name,
                                                           const std::string& directory,
                                                           const Options& settings,
                                                           const Environment& environment) {
  Remote::Parts parts;
  TRY_ASSIGN(parts.address, globus::service_address(name, environment));
  TRY_ASSIGN(parts.http, globus::http_options(environment));
  TRY_ASSIGN(parts.client, globus::client_of(environment));
  parts.tokens_file = directory + "/tokens.json";
  parts.app_id = settings.text("login.client_id");
  parts.name = name;
  return std::unique_ptr<RemoteService>(new Remote(std::move(parts)));
}

}  // namespace wherry::app
