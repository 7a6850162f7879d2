// SPDX-License-Identifier: Apache-2.0
#include "app/serve.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "base/random.h"
#include "server/certificate.h"
#include "server/tokens.h"

namespace wherry::app {
namespace {

constexpr ByteCount kMaxClientFile = 4096;
constexpr std::string_view kPostedClaim = "service";

struct Listen {
  std::string address;  // without brackets
  std::uint16_t port = 0;
};

// "127.0.0.1:8085", "[::1]:8085".
Result<Listen> parse_listen(const std::string& text) {
  const auto wrong = [&text] {
    return make_error(Code::kInvalid,
                      "serve.listen is '{}'; it takes ADDRESS:PORT, as in 127.0.0.1:8085 or"
                      " [::1]:8085",
                      escape_bytes(text));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong();
  Listen listen{text.substr(0, colon)};
  const auto [end, error] =
      std::from_chars(text.data() + colon + 1, text.data() + text.size(), listen.port);
  if (error != std::errc() || end != text.data() + text.size()) return wrong();
  if (listen.address.starts_with('[') && listen.address.ends_with(']'))
    listen.address = listen.address.substr(1, listen.address.size() - 2);
  if (listen.address == "localhost") listen.address = "127.0.0.1";
  if (listen.address.empty()) return wrong();
  return listen;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}
bool is_everywhere(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

bool speaks_tls(const Options& settings) {
  return settings.is_on("serve.tls") || !settings.text("serve.certificate").empty();
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

// The host of an URL, without its port.
std::string host_of(std::string url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string::npos) url.erase(0, scheme + 3);
  url.resize(std::min(url.find('/'), url.size()));
  if (url.starts_with('[')) return url.substr(1, url.find(']') - 1);
  return url.substr(0, url.find(':'));
}

std::string serve_directory(const Wherry& wherry) { return wherry.directory() + "/serve"; }

Result<std::optional<server::HttpServer::Tls>> tls_of(const Wherry& wherry, const Listen& listen) {
  using Tls = server::HttpServer::Tls;
  const Options& settings = wherry.settings();
  const std::string& certificate = settings.text("serve.certificate");
  const std::string& key = settings.text("serve.key");
  if (certificate.empty() != key.empty())
    return make_error(Code::kInvalid, "serve.certificate and serve.key belong together: set both");
  if (!certificate.empty()) return std::optional(Tls{certificate, key});
  if (!speaks_tls(settings)) {
    if (is_loopback(listen.address)) return std::optional<Tls>();
    return make_error(Code::kInvalid,
                      "on {} passwords and tokens would cross the network for all to read: add"
                      " --tls, or listen on 127.0.0.1 behind a proxy that speaks TLS",
                      listen.address);
  }
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1", host_name()};
  if (!is_everywhere(listen.address) && !is_loopback(listen.address))
    names.push_back(listen.address);
  if (!settings.text("serve.url").empty()) names.push_back(host_of(settings.text("serve.url")));
  TRY(make_directories(serve_directory(wherry), 0700));
  TRY_ASSIGN(Tls made,
             server::self_signed_certificate(serve_directory(wherry), names, system_clock()),
             "make a certificate");
  return std::optional(std::move(made));
}

std::string value_of(const std::string& text, std::string_view name) {
  const std::size_t begin = text.find(fmt::format("{}=", name));
  if (begin == std::string::npos) return "";
  const std::size_t value = begin + name.size() + 1;
  return text.substr(value, text.find('\n', value) - value);
}

std::string posted_file(const Wherry& wherry) { return serve_directory(wherry) + "/service.env"; }

// The certificate that no client trusts by itself; empty if there is none.
std::string certificate_to_trust(const Wherry& wherry) {
  const Options& settings = wherry.settings();
  const bool is_self_signed =
      settings.is_on("serve.tls") && settings.text("serve.certificate").empty();
  return is_self_signed ? serve_directory(wherry) + "/certificate.pem" : "";
}

server::Server::Parts server_parts(Wherry& wherry) {
  return {wherry.database(),   wherry.service(), wherry.endpoints(), wherry.permissions(),
          wherry.identities(), system_clock(),   system_random()};
}

// All but where it listens.
server::Server::Options server_options(const Wherry& wherry) {
  server::Server::Options options;
  options.directory = serve_directory(wherry);
  const Options& settings = wherry.settings();
  options.endpoint_directory = settings.text("serve.endpoint_directory");
  options.site_directory = settings.text("serve.site_directory");
  options.router.requests_per_second =
      static_cast<double>(settings.integer("serve.requests_per_second"));
  options.router.logins_per_second =
      static_cast<double>(settings.integer("serve.logins_per_second"));
  const std::string& metrics = settings.text("serve.metrics");
  using Metrics = server::Server::Metrics;
  options.metrics = metrics == "all"   ? Metrics::kEverybody
                    : metrics == "off" ? Metrics::kNobody
                                       : Metrics::kThisHost;
  return options;
}

// A socket for each connection, beside the files that tasks move: as many as this process may have
// open at most, of which connections get half.
std::size_t room_for_connections(std::size_t wanted) {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(wanted, limit.rlim_cur / 2);
}

// What clients must know of the service that runs, or else of the one that the settings describe.
struct Contact {
  std::string url;
  std::string certificate;
};
Result<Contact> contact_of(Wherry& wherry) {
  tasks::Claims claims(wherry.database(), system_clock());
  TRY_ASSIGN(const auto service, claims.holder(kPostedClaim, ""));
  const auto text = read_file(posted_file(wherry), kMaxClientFile);
  if (service && text) return Contact{value_of(*text, "URL"), value_of(*text, "CERTIFICATE")};
  if (!text && text.error().code != Code::kNotFound) return text.error();
  TRY_ASSIGN(std::string url, service_url(wherry.settings()));
  return Contact{std::move(url), certificate_to_trust(wherry)};
}

}  // namespace

Result<std::string> service_url(const Options& settings, std::uint16_t port) {
  std::string url = settings.text("serve.url");
  if (!url.empty()) {
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      return make_error(Code::kInvalid, "serve.url is '{}'; it begins with https:// or http://",
                        escape_bytes(url));
    }
    return url.ends_with('/') ? url : url + '/';
  }
  TRY_ASSIGN(const Listen listen, parse_listen(settings.text("serve.listen")));
  std::string host = is_everywhere(listen.address) ? host_name() : listen.address;
  if (host.find(':') != std::string::npos) host = '[' + host + ']';
  return fmt::format("{}://{}:{}/", speaks_tls(settings) ? "https" : "http", host,
                     port != 0 ? port : listen.port);
}

Posted::Posted(Wherry& wherry, const std::string& url)
    : file_(posted_file(wherry)), claims_(wherry.database(), system_clock()) {
  // One on another host, which may be gone for good, says nothing of where this one is.
  const auto taken = claims_.take_from_other_host(kPostedClaim, "");
  auto claim = taken ? claims_.acquire(kPostedClaim, "") : taken.error();
  if (!claim) {
    log_warning("`wherry serve --print-env` does not tell of this service: {}",
                claim.error().message);
    return;
  }
  claim_.emplace(*std::move(claim));
  ::unlink(file_.c_str());  // of one that was killed
  const std::string text =
      fmt::format("URL={}\nCERTIFICATE={}\n", url, certificate_to_trust(wherry));
  // Only `wherry serve --print-env` misses it.
  if (const auto written = durable_write_file(file_, text, 0600); !written)
    log_warning("where the service runs is not told: {}", written.error().message);
}

Posted::~Posted() {
  if (!claim_) return;
  const auto holder = claims_.holder(kPostedClaim, "");
  if (holder && *holder && (*holder)->process == this_process()) ::unlink(file_.c_str());
}

Result<std::unique_ptr<server::Server>> open_server(Wherry& wherry) {
  const Options& settings = wherry.settings();
  TRY_ASSIGN(const Listen listen, parse_listen(settings.text("serve.listen")));
  TRY(service_url(settings));
  server::Server::Options options = server_options(wherry);
  options.http.address = listen.address;
  options.http.port = listen.port;
  options.http.limits.connections = room_for_connections(options.http.limits.connections);
  TRY_ASSIGN(options.http.tls, tls_of(wherry, listen));
  return server::Server::listen(server_parts(wherry), options);
}

Result<std::string> routes_markdown(Wherry& wherry) {
  return server::Server::routes_markdown(server_parts(wherry), server_options(wherry));
}

Result<FirstClient> first_client(Wherry& wherry) {
  const std::string directory = serve_directory(wherry);
  const std::string file = directory + "/client.env";
  server::Identities& identities = wherry.identities();
  const auto text = read_file(file, kMaxClientFile);
  if (text) {
    FirstClient client{value_of(*text, "WHERRY_CLIENT_ID"),
                       value_of(*text, "WHERRY_CLIENT_SECRET")};
    const auto known = identities.check_secret(client.id, client.secret);
    if (known) return client;
    if (known.error().code == Code::kDenied) return FirstClient();
    return known.error();
  }
  if (text.error().code != Code::kNotFound) return text.error();
  TRY(make_directories(directory, 0700));
  TRY_ASSIGN(const server::CreatedClient created,
             identities.create_client({.name = "first client", .is_local = true}));
  TRY(durable_write_file(file,
                         fmt::format("WHERRY_CLIENT_ID={}\nWHERRY_CLIENT_SECRET={}\n",
                                     created.client.id, created.secret),
                         0600));
  return FirstClient{created.client.id, created.secret, true};
}

Result<std::string> client_environment(Wherry& wherry, const FirstClient& client) {
  TRY_ASSIGN(const Contact contact, contact_of(wherry));
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    text += fmt::format("export {}='{}'\n", name, value);
  };
  // The SDKs for Python and JavaScript differ in the name of Timers.
  for (const std::string_view service : {"AUTH", "TRANSFER", "TIMER", "TIMERS"})
    add(fmt::format("GLOBUS_SDK_SERVICE_URL_{}", service), contact.url);
  if (!contact.certificate.empty()) {
    add("GLOBUS_SDK_VERIFY_SSL", contact.certificate);
    add("NODE_EXTRA_CA_CERTS", contact.certificate);
  }
  // Without the last slash, as people write it: "$WHERRY_SERVICE/v0.10/task_list" is an address.
  add("WHERRY_SERVICE",
      std::string_view(contact.url).substr(0, contact.url.find_last_not_of('/') + 1));
  if (client.id.empty()) return text;
  for (const std::string_view prefix : {"GLOBUS_CLI", "WHERRY"}) {
    add(fmt::format("{}_CLIENT_ID", prefix), client.id);
    add(fmt::format("{}_CLIENT_SECRET", prefix), client.secret);
  }
  return text;
}

}  // namespace wherry::app
