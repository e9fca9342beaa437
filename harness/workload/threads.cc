// SPDX-License-Identifier: GPL-2.0-only
// svma-threads THREADS SECONDS: threads that change one address space at the same time.
#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMaxPages = 32;

struct Mapping {
  char* start;
  size_t pages;
};

// One random step on the thread's own mappings; neighbours may belong to other threads.
void step(std::mt19937& random, std::vector<Mapping>& mappings) {
  if (mappings.empty() || random() % 3 == 0) {
    const size_t pages = 1 + random() % kMaxPages;
    void* at =
        mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return;
    auto* start = static_cast<char*>(at);
    if (random() % 2 == 0) start[0] = 1;
    mappings.push_back({start, pages});
    return;
  }
  const size_t index = random() % mappings.size();
  Mapping& mapping = mappings[index];
  const size_t page = random() % mapping.pages;
  switch (random() % 3) {
    case 0:
      mprotect(mapping.start + page * kPage, kPage,
               random() % 2 ? PROT_READ : PROT_READ | PROT_WRITE);
      break;
    case 1:
      madvise(mapping.start + page * kPage, kPage, random() % 2 ? MADV_DONTDUMP : MADV_DODUMP);
      break;
    default:
      munmap(mapping.start, mapping.pages * kPage);
      mapping = mappings.back();
      mappings.pop_back();
  }
}

void work(unsigned seed, std::chrono::steady_clock::time_point end) {
  std::mt19937 random(seed);
  std::vector<Mapping> mappings;
  while (std::chrono::steady_clock::now() < end) step(random, mappings);
  for (const Mapping& mapping : mappings) munmap(mapping.start, mapping.pages * kPage);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: svma-threads THREADS SECONDS\n");
    return 2;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[2]));
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[1]); ++i) threads.emplace_back(work, i, end);
  for (std::thread& thread : threads) thread.join();
}
