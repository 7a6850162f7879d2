// SPDX-License-Identifier: Apache-2.0
#include "server/test_client.h"

#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>

#include "base/check.h"

namespace wherry::server {
namespace {

int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

std::size_t number_behind(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos) return 0;
  std::size_t number = 0;
  std::from_chars(head.data() + at + name.size(), head.data() + head.size(), number);
  return number;
}

}  // namespace

TestClient::TestClient(std::uint16_t port, Tls tls) : fd_(connect_to(port)) {
  CHECK(fd_ >= 0);
  if (tls == Tls::kNo) return;
  context_ = SSL_CTX_new(TLS_client_method());
  tls_ = SSL_new(context_);
  CHECK(SSL_set_fd(tls_, fd_) == 1);
  CHECK(SSL_connect(tls_) == 1);
}

TestClient::~TestClient() {
  SSL_free(tls_);
  SSL_CTX_free(context_);
  close(fd_);
}

bool TestClient::send(std::string_view bytes) {
  if (tls_ != nullptr) return SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())) > 0;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void TestClient::end_sending() { CHECK(shutdown(fd_, SHUT_WR) == 0); }

std::string TestClient::read_some() {
  std::array<char, 4096> buffer;
  const auto size = tls_ != nullptr ? SSL_read(tls_, buffer.data(), buffer.size())
                                    : recv(fd_, buffer.data(), buffer.size(), 0);
  CHECK(size >= 0 || errno != EAGAIN);  // the deadline
  return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : std::string();
}

bool TestClient::fill_until(std::string_view mark) {
  while (unread_.find(mark) == std::string::npos) {
    const std::string more = read_some();
    if (more.empty()) return false;
    unread_ += more;
  }
  return true;
}

Answer TestClient::read_answer(std::string_view method) {
  if (!fill_until("\r\n\r\n")) return {};
  Answer answer;
  const std::size_t head_size = unread_.find("\r\n\r\n") + 4;
  answer.head = unread_.substr(0, head_size);
  unread_.erase(0, head_size);
  answer.status = static_cast<unsigned>(number_behind(answer.head, "HTTP/1.1 "));
  const std::size_t length = method == "HEAD" ? 0 : number_behind(answer.head, "Content-Length: ");
  while (unread_.size() < length) {
    const std::string more = read_some();
    if (more.empty()) return {};
    unread_ += more;
  }
  answer.body = unread_.substr(0, length);
  unread_.erase(0, length);
  return answer;
}

bool TestClient::is_closed_by_server() { return unread_.empty() && read_some().empty(); }

bool refuses_connections(std::uint16_t port) {
  const int fd = connect_to(port);
  if (fd >= 0) close(fd);
  return fd < 0;
}

void write_self_signed(const std::string& certificate_file, const std::string& key_file) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  CHECK(key != nullptr && certificate != nullptr);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* host = reinterpret_cast<const unsigned char*>("localhost");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, host, -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  std::FILE* file = std::fopen(certificate_file.c_str(), "w");
  CHECK(file != nullptr && PEM_write_X509(file, certificate) == 1 && std::fclose(file) == 0);
  file = std::fopen(key_file.c_str(), "w");
  CHECK(file != nullptr);
  CHECK(PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  CHECK(std::fclose(file) == 0);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace wherry::server
