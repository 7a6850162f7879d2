// SPDX-License-Identifier: Apache-2.0
// wherry serve: the Globus Transfer API over this state directory.
#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "app/serve.h"
#include "base/log.h"
#include "base/shell.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/invocation.h"
#include "cli/location.h"
#include "cli/service_manager.h"

namespace wherry::cli {
namespace {

// How long what was begun may take when the service ends. Tasks need none of it: they are resumed.
constexpr auto kDrain = std::chrono::seconds(20);

void wait_for(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
}

// What a new service says to who started it.
void welcome(Context& context, const std::string& url, const app::FirstClient& client) {
  context.err() << fmt::format("wherry: serving {}\n", url);
  if (!client.is_new) return;
  const auto place = context.overrides().find("state.dir");
  const std::string option =
      place == context.overrides().end() ? "" : "--state-dir " + shell_quote(place->second) + " ";
  context.err() << fmt::format(
      "wherry: this is the first start. A client was made for you:\n"
      "          id      {}\n"
      "          secret  {}\n"
      "        In a shell that is to use the service:\n"
      "          eval \"$(wherry {}serve --print-env)\"\n"
      "        More clients: `wherry client create`; people: `wherry user create`.\n",
      client.id, client.secret, option);
}

Result<void> serve_until(std::stop_token stop, Context& context, app::Wherry& wherry) {
  TRY_ASSIGN(const auto server, app::open_server(wherry));
  // Not before it listens: the secret is told once, by a start that succeeds. Before it answers:
  // who has an answer finds the client.
  TRY_ASSIGN(const app::FirstClient client, app::first_client(wherry));
  TRY_ASSIGN(const std::string url, app::service_url(wherry.settings(), server->port()));
  const app::Posted posted(wherry, url);
  server->answer();
  welcome(context, url, client);
  const std::string manager = context.environment()("NOTIFY_SOCKET").value_or("");
  tell_service_manager(manager, "READY=1");
  wait_for(stop);
  tell_service_manager(manager, "STOPPING=1");
  if (!server->drain(kDrain)) log_warning("some requests were cut off unanswered");
  return {};
}

// Options of this command that are settings.
void take_settings(Context& context, const Arguments& arguments) {
  for (const std::string_view name : {"listen", "url", "certificate", "key"}) {
    if (const auto value = arguments.optional_text(name))
      context.set_setting(fmt::format("serve.{}", name), *value);
  }
  if (arguments.has("tls")) context.set_setting("serve.tls", "true");
}

Result<int> print_environment(Context& context) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const app::FirstClient client, app::first_client(*wherry));
  TRY_ASSIGN(const std::string text, app::client_environment(*wherry, client));
  context.output().raw(text);
  return kExitDone;
}

// For docs/api/rest.md, and for tests that ask every route.
Result<int> print_routes(Context& context) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const std::string routes, app::routes_markdown(*wherry));
  context.output().raw(
      "# Routes of `wherry serve`\n\n"
      "What `wherry serve --print-routes` prints. A route with a scope wants a token that has it; "
      "the\n"
      "others look for themselves who asks. [How they compare](compatibility.md) with those of "
      "Globus.\n"
      "\n" +
      routes);
  return kExitDone;
}

Result<int> print_systemd(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  std::vector<std::string> words = {"serve"};
  for (const std::string name : {"listen", "url", "certificate", "key"}) {
    auto value = arguments.optional_text(name);
    if (!value) continue;
    // The unit's working directory is not this one.
    if (name == "certificate" || name == "key") {
      TRY_ASSIGN(value, absolute_local_path(*value));
    }
    words.insert(words.end(), {"--" + name, *value});
  }
  if (arguments.has("tls")) words.push_back("--tls");
  context.output().raw(systemd_unit({.name = "wherry-serve",
                                     .description = "Wherry serves the Globus Transfer API",
                                     .type = "notify"},
                                    invocation_of(context, *wherry, std::move(words))));
  return kExitDone;
}

Result<int> serve(Context& context, const Arguments& arguments) {
  if (arguments.has("print-systemd")) return print_systemd(context, arguments);
  take_settings(context, arguments);
  if (arguments.has("print-env")) return print_environment(context);
  if (arguments.has("print-routes")) return print_routes(context);
  context.prefer_setting("log.level", "info");  // what a service's journal is for
  TRY_ASSIGN(app::Wherry * wherry, context.wherry(tasks::Execution::kAll));
  std::optional<Result<void>> ended;
  run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(serve_until(std::move(stop), context, *wherry));
  });
  TRY(*std::move(ended));
  return kExitDone;
}

}  // namespace

std::span<const Command> serve_commands() {
  static const Command commands[] = {
      {.name = "serve",
       .summary = "Serve the Globus Transfer API, for Globus clients and other Wherrys.",
       .description =
           "Runs until it is told to stop (ctrl-C, SIGTERM); tasks that are under way then go on"
           " at the next start. Listens on this host only unless --listen says otherwise.",
       .options =
           {{.name = "listen",
             .value = "ADDRESS:PORT",
             .help = "Default: 127.0.0.1:8085. Port 0: any that is free."},
            {.name = "tls", .help = "Speak TLS, with a certificate made here unless given."},
            {.name = "certificate",
             .value = "FILE",
             .help = "The certificate, with its chain (PEM).",
             .kind = ValueKind::kFile},
            {.name = "key", .value = "FILE", .help = "Its key (PEM).", .kind = ValueKind::kFile},
            {.name = "url",
             .value = "URL",
             .help = "Where clients reach the service, if not where it listens."},
            {.name = "print-env",
             .help = "Print what points clients at the service, for a shell, instead."},
            {.name = "print-routes", .help = "Print the table of all routes, instead."},
            {.name = "print-systemd", .help = "Print a systemd unit instead."}},
       .handler = serve,
       .examples = {"wherry serve", "wherry serve --tls --listen 0.0.0.0:443",
                    "eval \"$(wherry serve --print-env)\""}},
  };
  return commands;
}

}  // namespace wherry::cli
