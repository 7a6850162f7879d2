// SPDX-License-Identifier: Apache-2.0
// For tests: a client that sends exactly the bytes it is told to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace wherry::server {

// One answer, as it came.
struct Answer {
  unsigned status = 0;  // 0: the server closed the connection instead
  std::string head;
  std::string body;

  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

class TestClient {
 public:
  enum class Tls { kNo, kYes };
  // Connects to the loopback address. Every wait has a deadline; what passes it fails the test.
  explicit TestClient(std::uint16_t port, Tls tls = Tls::kNo);
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;
  ~TestClient();

  bool send(std::string_view bytes);  // false: the server has closed
  void end_sending();
  // Reads one answer, whose length its head tells; of HEAD none of the body.
  Answer read_answer(std::string_view method = "GET");
  bool is_closed_by_server();  // waits for the end; true if nothing came before it

 private:
  std::string read_some();
  bool fill_until(std::string_view mark);

  int fd_ = -1;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* tls_ = nullptr;
  std::string unread_;
};

// Whether nothing listens at the port any more.
bool refuses_connections(std::uint16_t port);

// Writes a certificate for itself and its key, for "localhost", as PEM files.
void write_self_signed(const std::string& certificate_file, const std::string& key_file);

}  // namespace wherry::server
