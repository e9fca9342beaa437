// SPDX-License-Identifier: GPL-2.0-only
// svma layout STRUCT: how the running kernel lays out a structure, by its BTF. Needs no module.
#include <fmt/format.h>

#include <memory>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/struct_layout.hpp"

namespace svma {
namespace {

struct LayoutOptions {
  std::string name;
  std::string file = "/sys/kernel/btf/vmlinux";
  bool expand = false;
};

int show_layout(const LayoutOptions& options, bool json) {
  const Btf types = read_btf(options.file);
  if (options.name.find_first_of(".-") != std::string::npos) {
    const auto steps = follow_path(*types, options.name);
    fmt::print("{}", json ? json_text(to_json(steps)) + "\n" : path_text(steps));
    return kExitEqual;
  }
  const StructLayout layout = struct_layout(*types, options.name, options.expand);
  fmt::print("{}", json ? json_text(to_json(layout)) + "\n" : struct_text(layout));
  return kExitEqual;
}

}  // namespace

void add_layout(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "layout", "Show how the kernel lays out a structure: members, holes, cache lines");
  auto options = std::make_shared<LayoutOptions>();
  command
      ->add_option("STRUCT", options->name,
                   "mm_struct; or one member of it: mm_struct.pgd, task_struct->mm->pgd")
      ->required();
  command->add_option("--btf", options->file, "Types to read: BTF itself, or an ELF file with it")
      ->capture_default_str();
  command->add_flag("--expand", options->expand, "Open members of named structures, too");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return show_layout(*options, invocation.json); };
  });
}

}  // namespace svma
