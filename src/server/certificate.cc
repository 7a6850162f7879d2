// SPDX-License-Identifier: Apache-2.0
#include "server/certificate.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/rand.h>

#include "base/file.h"
#include "base/path.h"
#include "server/openssl.h"

namespace wherry::server {
namespace {

using std::chrono::hours;

constexpr Duration kLifetime = hours(24 * 730);
constexpr Duration kRenewBefore = hours(24 * 30);
constexpr Duration kClockSkew = hours(1);
constexpr int kSerialBytes = 16;
constexpr ByteCount kMaxFile = 64 << 10;

long whole_seconds(TimePoint time) {
  return static_cast<long>(
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

bool is_address(const std::string& name) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Extension extension(::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  CHECK(extension && ::X509_add_ext(certificate, extension.get(), -1) == 1);
}

Certificate make_certificate(EVP_PKEY* key, const std::vector<std::string>& names, TimePoint now) {
  Certificate certificate(::X509_new());
  CHECK(certificate && ::X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  unsigned char serial[kSerialBytes];
  CHECK(::RAND_bytes(serial, sizeof serial) == 1);
  serial[0] &= 0x7f;  // positive
  const Number number(::BN_bin2bn(serial, sizeof serial, nullptr));
  CHECK(::BN_to_ASN1_INTEGER(number.get(), ::X509_get_serialNumber(certificate.get())));
  ::ASN1_TIME_set(::X509_getm_notBefore(certificate.get()), whole_seconds(now - kClockSkew));
  ::ASN1_TIME_set(::X509_getm_notAfter(certificate.get()), whole_seconds(now + kLifetime));
  X509_NAME* const name = ::X509_get_subject_name(certificate.get());
  const auto* const common = reinterpret_cast<const unsigned char*>("Wherry");
  CHECK(::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, common, -1, -1, 0) == 1);
  CHECK(::X509_set_issuer_name(certificate.get(), name) == 1);
  CHECK(::X509_set_pubkey(certificate.get(), key) == 1);
  std::string list;
  for (const std::string& one : names)
    list += fmt::format("{}{}:{}", list.empty() ? "" : ",", is_address(one) ? "IP" : "DNS", one);
  add_extension(certificate.get(), NID_subject_alt_name, list);
  // Clients that are told to trust it look for the mark of an authority.
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  CHECK(::X509_sign(certificate.get(), key, ::EVP_sha256()) > 0);
  return certificate;
}

std::string pem_of(X509* certificate) {
  const Bio out(::BIO_new(::BIO_s_mem()));
  CHECK(out && ::PEM_write_bio_X509(out.get(), certificate) == 1);
  return text_of(out.get());
}

// Whether the certificate is that of the key, and good for a while.
bool is_usable(const std::string& certificate_pem, const std::string& key_pem, TimePoint now) {
  const Certificate certificate(
      ::PEM_read_bio_X509(bio_of(certificate_pem).get(), nullptr, nullptr, nullptr));
  const Key key = private_key_of(key_pem);
  if (!certificate || !key || ::X509_check_private_key(certificate.get(), key.get()) != 1)
    return false;
  time_t soon = static_cast<time_t>(whole_seconds(now + kRenewBefore));
  return ::X509_cmp_time(::X509_get0_notAfter(certificate.get()), &soon) > 0;
}

}  // namespace

Result<HttpServer::Tls> self_signed_certificate(const std::string& directory,
                                                const std::vector<std::string>& names,
                                                Clock& clock) {
  CHECK(!names.empty());
  const HttpServer::Tls files{directory + "/certificate.pem", directory + "/certificate-key.pem"};
  const auto certificate = read_file(files.certificate_file, kMaxFile);
  const auto key = read_file(files.key_file, kMaxFile);
  if (certificate && key && is_usable(*certificate, *key, clock.now())) return files;
  for (const auto* read : {&certificate, &key}) {
    if (!*read && read->error().code != Code::kNotFound) return read->error();
  }
  const Key made(::EVP_EC_gen("P-256"));
  CHECK(made);
  TRY(durable_write_file(files.key_file, pem_of(made.get()), 0600));
  TRY(durable_write_file(files.certificate_file,
                         pem_of(make_certificate(made.get(), names, clock.now()).get()), 0644));
  return files;
}

}  // namespace wherry::server
