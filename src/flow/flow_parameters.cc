// SPDX-License-Identifier: Apache-2.0
// The parameters of a flow, and what they are given for one run.
#include <algorithm>

#include "base/path.h"
#include "flow/flow_check.h"
#include "flow/flow_file.h"

namespace wherry::flow {
namespace {

Result<Value> given_value(const FlowParameter& parameter, const std::vector<std::string>& texts) {
  if (parameter.default_value && std::holds_alternative<TextList>(*parameter.default_value))
    return texts;
  if (texts.size() == 1) return texts.front();
  if (!parameter.default_value) return texts;  // a list, as was given
  return make_error(Code::kInvalid, "parameter '{}' was given {} values, and takes one",
                    parameter.name, texts.size());
}

}  // namespace

Result<ParameterValues> bind_parameters(const Flow& flow, const std::vector<std::string>& given) {
  std::vector<std::string> known;
  for (const FlowParameter& parameter : flow.parameters) known.push_back(parameter.name);
  std::map<std::string, std::vector<std::string>, std::less<>> texts;
  for (const std::string& word : given) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos)
      return make_error(Code::kInvalid, "'{}' is not of the form NAME=VALUE", escape_bytes(word));
    const std::string name = word.substr(0, equals);
    if (std::find(known.begin(), known.end(), name) == known.end())
      return make_error(Code::kInvalid, "flow '{}' has no parameter '{}'{}", flow.name,
                        escape_bytes(name), meant_among(name, known));
    if (word.find('\0') != std::string::npos)
      return make_error(Code::kInvalid, "parameter '{}': a value cannot hold a NUL byte", name);
    texts[name].push_back(word.substr(equals + 1));
  }
  ParameterValues values;
  for (const FlowParameter& parameter : flow.parameters) {
    if (const auto found = texts.find(parameter.name); found != texts.end()) {
      TRY_ASSIGN(values[parameter.name], given_value(parameter, found->second));
    } else if (parameter.default_value) {
      values[parameter.name] = *parameter.default_value;
    } else {
      return make_error(
          Code::kInvalid, "flow '{}' wants the parameter '{}'{}; give it with --param {}=VALUE",
          flow.name, parameter.name,
          parameter.help.empty() ? "" : fmt::format(" ({})", escape_bytes(parameter.help)),
          parameter.name);
    }
  }
  return values;
}

}  // namespace wherry::flow
