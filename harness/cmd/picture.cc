// SPDX-License-Identifier: GPL-2.0-only
// svma picture PID: the whole of a process's memory in one file.
#include "lib/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/names.hpp"
#include "lib/picture_svg.hpp"
#include "lib/picture_text.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

// Of a process that changes between its parts.
constexpr int kAttempts = 5;

struct PictureOptions {
  pid_t pid = 0;
  std::string file;
};

// "" when there is none to be had: then VMAs go by their inodes.
std::string maps_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/maps", pid));
  return {std::istreambuf_iterator<char>(file), {}};
}

// One look. RETURNS: whether all parts are of the same moment of the shadow.
bool look(Device& device, pid_t pid, PictureInput& input) {
  const TreeSnapshot snapshot = shadow_of(device, pid);
  const svma_mm& mm = snapshot.mm;
  input = {};
  input.pid = mm.pid;
  input.comm = std::string(mm.comm, strnlen(mm.comm, sizeof(mm.comm)));
  input.health = health_name(snapshot.health);
  input.mm_id = mm.mm_id;
  input.seq = snapshot.seq;
  input.totals = mm.totals;
  input.vmas = snapshot.vmas;
  input.names = names_of_maps(maps_of(pid));
  auto sums = device.page_sums(mm.mm_id, 0, SVMA_NONE);
  auto runs = device.page_runs(mm.mm_id, 0, SVMA_NONE);
  if (!sums || !runs) throw Error("process {}: it ended before its page tables could be read", pid);
  input.has_pages = true;
  input.sums = std::move(sums->sums);
  input.runs = std::move(runs->runs);
  input.tables = runs->tables;
  for (uint64_t address : sample_addresses(input.vmas, input.runs))
    if (const auto walk = device.walk(pid, address)) input.walks.push_back(*walk);
  return sums->seq == snapshot.seq && runs->seq == snapshot.seq && !sums->moved && !runs->moved;
}

PictureInput input_of(pid_t pid) {
  Device device;
  PictureInput input;
  for (int i = 0; i < kAttempts; ++i)
    if (look(device, pid, input)) return input;
  input.note = "the process changed while it was looked at: the parts are not of one moment";
  return input;
}

std::string drawn(const Picture& picture, const std::string& kind) {
  if (kind == ".svg") return svg_text(draw(picture));
  if (kind == ".html") return html_text(draw(picture));
  if (kind == ".dot") return picture_dot(picture);
  return picture_text(picture);
}

int show_picture(const PictureOptions& options, bool json) {
  if (json) throw Error("picture: it has no JSON; use svma --json tree, maps or gaps");
  const std::string kind = std::filesystem::path(options.file).extension();
  constexpr const char* kKinds[] = {"", ".svg", ".html", ".dot", ".txt"};
  const bool known = std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
  if (!known || (kind.empty() && !options.file.empty()))
    throw Error("{}: the name tells what is drawn; end it in .svg, .html, .dot or .txt",
                options.file);
  const Picture picture = build_picture(input_of(options.pid));
  const std::string text = drawn(picture, kind);
  if (options.file.empty()) {
    fmt::print("{}", text);
  } else {
    std::ofstream file(options.file, std::ios::binary);
    file << text;
    file.close();
    if (!file) throw Error("{}: it can't be written: {}", options.file, errno_text(errno));
    fmt::print(stderr, "svma: {}: {} bytes, {}\n", options.file, text.size(), picture.headline);
  }
  return picture.tree.faults.empty() ? kExitEqual : kExitDivergent;
}

}  // namespace

void add_picture(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "picture", "Draw a process: VMAs, their tree, page tables, frames; text, or -o FILE");
  auto options = std::make_shared<PictureOptions>();
  command->add_option("PID", options->pid, "Process")->required()->check(kPidRange);
  command->add_option("-o,--output", options->file,
                      "File to write: .svg, .html, .dot (Graphviz) or .txt");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return show_picture(*options, invocation.json); };
  });
}

}  // namespace svma
