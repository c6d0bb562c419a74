// FakeServer: a PostgreSQL server that says what a test tells it to, and nothing else. It takes one
// connection on 127.0.0.1 and speaks the protocol of "Frontend/Backend Protocol", version 3, in a thread of
// its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "remote/connection.h"

namespace tablesync::remote {

inline std::string int16(int value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
inline std::string int32(std::int64_t value) {
  return int16(static_cast<int>(value >> 16)) + int16(static_cast<int>(value & 0xffff));
}
inline std::string zero_ended(std::string_view text) { return std::string(text) + '\0'; }

// COPY in binary format, as the server sends it.
inline std::string copy_header() { return std::string("PGCOPY\n\377\r\n\0", 11) + int32(0) + int32(0); }
inline std::string copy_row(const std::string &value) {
  return int16(1) + int32(static_cast<std::int64_t>(value.size())) + value;
}
inline std::string copy_trailer() { return "\377\377"; }

// A socket that is closed with its owner.
class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(const Socket &) = delete;
  Socket &operator=(const Socket &) = delete;
  ~Socket() { close(); }
  int get() const { return descriptor_; }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_;
};

struct PeerIsGone : std::runtime_error {
  PeerIsGone() : std::runtime_error("the client closed the connection") {}
};

// The server's side of one connection.
class Session {
 public:
  explicit Session(int socket) : socket_(socket) {}

  // ---- what the client says
  std::string receive(size_t size) {
    std::string bytes(size, '\0');
    for (size_t got = 0; got < size;) {
      const ssize_t part = recv(socket_.get(), bytes.data() + got, size - got, 0);
      if (part <= 0) throw PeerIsGone();
      got += static_cast<size_t>(part);
    }
    return bytes;
  }
  std::string receive_body() { return receive(static_cast<size_t>(receive_int32()) - 4); }
  // Reads messages up to one of `type`; returns that one's body.
  std::string receive_up_to(char type) {
    for (;;) {
      const char found = receive(1)[0];
      std::string body = receive_body();
      if (found == type) return body;
    }
  }
  // Refuses encryption; returns the startup message.
  std::string receive_startup() {
    constexpr int ssl_request = 80877103, gss_request = 80877104;
    for (;;) {
      const std::string body = receive_body();
      const int code = to_int32(body);
      if (code != ssl_request && code != gss_request) return body;
      send_bytes("N");
    }
  }
  void receive_statement() { receive_up_to('S'); }  // Parse, Bind, Describe, Execute, Sync
  void receive_batch() { receive_up_to('Q'); }
  // Returns when the client has gone.
  void wait_for_end() {
    for (;;) receive(1);
  }

  // ---- what the server says
  void send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t part = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (part <= 0) throw PeerIsGone();
      bytes.remove_prefix(static_cast<size_t>(part));
    }
  }
  void send(char type, std::string_view body = {}) {
    send_with_length(type, static_cast<std::int64_t>(body.size()) + 4, body);
  }
  // A message whose length may be a lie.
  void send_with_length(char type, std::int64_t length, std::string_view body = {}) {
    send_bytes(type + int32(length) + std::string(body));
  }
  void ready() { send('Z', "I"); }
  void complete(const std::string &tag) { send('C', zero_ended(tag)); }
  // ErrorResponse or NoticeResponse from pairs of field type and value.
  void say(char type, std::initializer_list<std::pair<char, std::string>> fields) {
    std::string body;
    for (const auto &[field, value] : fields) body += field + zero_ended(value);
    send(type, body + '\0');
  }
  void let_in() {
    send('R', int32(0));
    send('S', zero_ended("server_version") + zero_ended("15.4 (fake)"));
    send('S', zero_ended("client_encoding") + zero_ended("UTF8"));
    ready();
  }
  void log_in() {
    receive_startup();
    let_in();
  }
  // One row of text columns as the answer to a statement, without the end of the answer.
  void answer_row(const std::vector<std::string> &row) {
    std::string names = int16(static_cast<int>(row.size())), values = names;
    for (const std::string &value : row) {
      names += zero_ended("c") + int32(0) + int16(0) + int32(25) + int16(-1) + int32(-1) + int16(0);
      values += int32(static_cast<std::int64_t>(value.size())) + value;
    }
    begin_answer();
    send('T', names);
    send('D', values);
  }
  void answer(const std::vector<std::string> &row) {
    receive_statement();
    answer_row(row);
    complete("SELECT 1");
    ready();
  }
  void begin_answer() {
    send('1');
    send('2');
  }
  // Up to the point from which CopyData follows.
  void begin_copy() {
    log_in();
    receive_statement();
    begin_answer();
    send('n');
    send('H', "\1" + int16(1) + int16(1));
  }
  void end_copy(const std::string &tag) {
    send('c');
    complete(tag);
    ready();
  }
  // Ends the connection with FIN, or with RST.
  void close() { socket_.close(); }
  void reset() {
    const linger now{1, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_.close();
  }

 private:
  static int to_int32(const std::string &bytes) {
    std::uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned char>(bytes[i]);
    return static_cast<int>(value);
  }
  int receive_int32() { return to_int32(receive(4)); }

  Socket socket_;
};

// A socket that listens on a free port of 127.0.0.1.
class Listener {
 public:
  explicit Listener(int backlog = 1) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(socket_.get(), reinterpret_cast<sockaddr *>(&address), size) != 0 ||
        listen(socket_.get(), backlog) != 0 ||
        getsockname(socket_.get(), reinterpret_cast<sockaddr *>(&address), &size) != 0)
      throw std::runtime_error("cannot listen on 127.0.0.1");
    port_ = ntohs(address.sin_port);
  }
  int get() const { return socket_.get(); }
  int port() const { return port_; }

 private:
  Socket socket_;
  int port_ = 0;
};

class FakeServer {
 public:
  explicit FakeServer(std::function<void(Session &)> script)
      : thread_([this, script = std::move(script)] { serve(script); }) {}
  // Its client must be gone by now.
  ~FakeServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  FakeServer(const FakeServer &) = delete;
  FakeServer &operator=(const FakeServer &) = delete;

  ConnectionSettings settings() const { return settings_for(listener_.port()); }

  static ConnectionSettings settings_for(int port) {
    ConnectionSettings settings;
    settings.server_name = "shop";
    settings.client_encoding = "UTF8";
    for (const auto &[name, value] : {std::pair{"host", std::string("127.0.0.1")},
                                      {"port", std::to_string(port)},
                                      {"user", "reader"},
                                      {"dbname", "shop"},
                                      {"connect_timeout", "20"}})
      settings.options.push_back({name, value, "server", false});
    return settings;
  }

 private:
  void serve(const std::function<void(Session &)> &script) {
    const int accepted = accept(listener_.get(), nullptr, nullptr);
    if (accepted < 0) return;
    Session session(accepted);
    try {
      script(session);
    } catch (const PeerIsGone &) {
      return;
    }
  }

  Listener listener_;
  std::thread thread_;
};

inline void set_option(ConnectionSettings &settings, const std::string &name, const std::string &value) {
  for (ConnectionOption &option : settings.options)
    if (option.name == name) {
      option.value = value;
      return;
    }
  settings.options.push_back({name, value, "server", false});
}

}  // namespace tablesync::remote
