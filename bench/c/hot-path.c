/*
 * The engine's hot path once more, in C: what the same model costs when a compiler for this very machine has it, and nothing else
 * runs. bench/twin.ts compiles it on the spot, with the geometry and the prices of a machine preset as constants.
 *
 * The same model, not the same code: first and second level with true LRU, paging-structure caches with true LRU, a radix walk over
 * tables in memory, A and D set on first use, W and D asked for by every store, a clock charged for every access with what each line of
 * a walk costs. No oracle, no quanta, no events. On every stream its counts equal the engine's, pass by pass.
 *
 *   hot-path FILE, where FILE holds u64 words: pages, records, (page number, frame) of each page, records
 *
 * For every line on standard input it runs the stream once, from the state that the pass before left, and prints nanoseconds on the
 * CPU and counts. Without vector instructions of its own it compiles to plain loops.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef L1_SETS
#error "compile through bench/twin.ts, which defines the geometry and the prices"
#endif

typedef uint64_t u64;
typedef uint32_t u32;

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

/* Keys and payloads as in assembly/assoc.ts. */
enum { SIZE_4K = 0, SIZE_TABLE = 3, PCID = 1 };
#define PAY_WRITE (1ull << 32)
#define PAY_DIRTY (1ull << 33)
#define PAY_EXEC (1ull << 34)

/* Page-table entries as in assembly/isa.ts. */
#define PTE_P (1ull << 0)
#define PTE_W (1ull << 1)
#define PTE_U (1ull << 2)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_NX (1ull << 63)
#define PFN(pte) ((u32)(((pte) >> 12) & 0xffffffff))
enum { TABLE_BITS = 9, TABLE_ENTRIES = 512, ROOT = 1 };

INLINE u64 key_of(u64 page, u64 size) { return page << 15 | (u64)PCID << 3 | size << 1 | 1; }

/*
 * A set: keys, payloads and stamps side by side. A stamp is the tick of the last use, with the way in its low four bits, so that the
 * least stamp names the victim; a way that was never used has the least of all.
 */
#define ARRAY(name, SETS, WAYS)            \
  static struct {                          \
    u64 keys[WAYS];                        \
    u64 payloads[WAYS];                    \
    u32 stamps[WAYS];                      \
  } name[SETS] __attribute__((aligned(64))); \
  static u32 name##_tick

ARRAY(l1, L1_SETS, L1_WAYS);
ARRAY(stlb, STLB_SETS, STLB_WAYS);
ARRAY(pde, PDE_SETS, PDE_WAYS);
ARRAY(pdpte, PDPTE_SETS, PDPTE_WAYS);
ARRAY(pml4e, PML4E_SETS, PML4E_WAYS);

enum { TICK = 16 };
_Static_assert(L1_WAYS <= 16 && STLB_WAYS <= 16 && PDE_WAYS <= 16 && PDPTE_WAYS <= 16 && PML4E_WAYS <= 16, "a way has four bits");

/* One bit for every way that holds the key. */
INLINE u32 matches(const u64 *keys, int ways, u64 key) {
  u32 found = 0;
  int way = 0;
#if defined(__AVX512F__) && defined(__AVX512VL__)
  for (; way + 8 <= ways; way += 8) found |= (u32)_mm512_cmpeq_epi64_mask(_mm512_loadu_si512(keys + way), _mm512_set1_epi64((long long)key)) << way;
  for (; way + 4 <= ways; way += 4)
    found |= (u32)_mm256_cmpeq_epi64_mask(_mm256_loadu_si256((const __m256i *)(keys + way)), _mm256_set1_epi64x((long long)key)) << way;
#elif defined(__AVX2__)
  for (; way + 4 <= ways; way += 4) {
    const __m256i equal = _mm256_cmpeq_epi64(_mm256_loadu_si256((const __m256i *)(keys + way)), _mm256_set1_epi64x((long long)key));
    found |= (u32)_mm256_movemask_pd(_mm256_castsi256_pd(equal)) << way;
  }
#endif
  for (; way < ways; way++) found |= (u32)(keys[way] == key) << way;
  return found;
}

/* One bit for every way whose payload has all of `need`. */
INLINE u32 grants(const u64 *payloads, int ways, u64 need) {
  u32 granted = 0;
  int way = 0;
#if defined(__AVX512F__) && defined(__AVX512VL__)
  for (; way + 4 <= ways; way += 4) {
    const __m256i payload = _mm256_loadu_si256((const __m256i *)(payloads + way));
    const __m256i wanted = _mm256_set1_epi64x((long long)need);
    granted |= (u32)_mm256_cmpeq_epi64_mask(_mm256_and_si256(payload, wanted), wanted) << way;
  }
#elif defined(__AVX2__)
  for (; way + 4 <= ways; way += 4) {
    const __m256i payload = _mm256_loadu_si256((const __m256i *)(payloads + way));
    const __m256i wanted = _mm256_set1_epi64x((long long)need);
    const __m256i equal = _mm256_cmpeq_epi64(_mm256_and_si256(payload, wanted), wanted);
    granted |= (u32)_mm256_movemask_pd(_mm256_castsi256_pd(equal)) << way;
  }
#endif
  for (; way < ways; way++) granted |= (u32)((payloads[way] & need) == need) << way;
  return granted;
}

INLINE u32 victim(const u32 *stamps, int ways) {
  u32 least = stamps[0];
  for (int way = 1; way < ways; way++) least = stamps[way] < least ? stamps[way] : least;
  return least & 15;
}

/* Looks a key up in its set; a hit becomes the most recently used way. */
#define LOOK_UP(name, SETS, WAYS, page, key, hit)                 \
  const u32 name##_set = (u32)((page) % (SETS));                  \
  const u32 name##_found = matches(name[name##_set].keys, WAYS, key); \
  if (name##_found) {                                             \
    const u32 way = (u32)__builtin_ctz(name##_found);             \
    name##_tick += TICK;                                          \
    name[name##_set].stamps[way] = name##_tick | way;             \
    hit;                                                          \
  }

#define INSERT(name, SETS, WAYS, page, key, payload)      \
  do {                                                    \
    const u32 set = (u32)((page) % (SETS));               \
    const u32 way = victim(name[set].stamps, WAYS);       \
    name##_tick += TICK;                                  \
    name[set].keys[way] = (key);                          \
    name[set].payloads[way] = (payload);                  \
    name[set].stamps[way] = name##_tick | way;            \
  } while (0)

static struct counts {
  u64 accesses, l1_hits, stlb_hits, walks, walk_reads, walk_cycles, assists, clock;
} total;

/* There is no kernel to go to. */
__attribute__((noreturn, cold)) NOINLINE void fault(u64 vpn) {
  fprintf(stderr, "a fault at page %llu\n", (unsigned long long)vpn);
  exit(2);
}

static u64 (*tables)[TABLE_ENTRIES];
/* What a walker's cache holds, and who wrote which line last: nobody, as no kernel runs here. See assembly/lines.ts. */
static u32 *line_writers;
static u64 lines_seen[LINES];

INLINE u32 line_cost(u32 table, u32 index) {
  const u64 line = (u64)table * (TABLE_ENTRIES / 8) + index / 8;
  const u32 writer = line_writers[line];
  const u64 entry = (line + 1) << 32 | writer;
  u64 *seen = &lines_seen[line % LINES];
  if (*seen == entry) return PRICE_MEM_L2;
  *seen = entry;
  return PRICE_MEM_L3;
}

INLINE u32 index_at(u64 vpn, int level) { return (u32)(vpn >> (TABLE_BITS * level)) & (TABLE_ENTRIES - 1); }

/* The table to start from, and its level. */
INLINE u32 deepest_table(u64 vpn, int *level) {
  const u64 page1 = vpn >> TABLE_BITS;
  const u64 page2 = page1 >> TABLE_BITS;
  const u64 page3 = page2 >> TABLE_BITS;
  *level = 0;
  LOOK_UP(pde, PDE_SETS, PDE_WAYS, page1, key_of(page1, SIZE_TABLE), return (u32)pde[pde_set].payloads[way]);
  *level = 1;
  LOOK_UP(pdpte, PDPTE_SETS, PDPTE_WAYS, page2, key_of(page2, SIZE_TABLE), return (u32)pdpte[pdpte_set].payloads[way]);
  *level = 2;
  LOOK_UP(pml4e, PML4E_SETS, PML4E_WAYS, page3, key_of(page3, SIZE_TABLE), return (u32)pml4e[pml4e_set].payloads[way]);
  *level = 3;
  return ROOT;
}

/* The payload of a page. */
INLINE u64 walk(u64 vpn, int is_store) {
  int level;
  u32 table = deepest_table(vpn, &level);
  u32 cycles = 0;
  total.walks++;
  for (;;) {
    u64 *at = &tables[table][index_at(vpn, level)];
    const u64 pte = *at;
    cycles += line_cost(table, index_at(vpn, level));
    total.walk_reads++;
    if ((pte & (PTE_P | PTE_U)) != (PTE_P | PTE_U) || (level == 0 && is_store && (pte & PTE_W) == 0)) fault(vpn);
    if (level == 0) {
      if ((pte & PTE_A) == 0) {
        *at = pte | PTE_A;
        cycles += PRICE_ASSIST;
        total.assists++;
      }
      total.walk_cycles += cycles;
      total.clock += cycles;
      return PFN(pte) | ((pte & PTE_W) != 0 ? PAY_WRITE : 0) | ((pte & PTE_D) != 0 ? PAY_DIRTY : 0) | ((pte & PTE_NX) == 0 ? PAY_EXEC : 0);
    }
    table = PFN(pte);
    const u64 page = vpn >> (TABLE_BITS * level);
    const u64 key = key_of(page, SIZE_TABLE);
    if (level == 1) INSERT(pde, PDE_SETS, PDE_WAYS, page, key, table);
    else if (level == 2) INSERT(pdpte, PDPTE_SETS, PDPTE_WAYS, page, key, table);
    else INSERT(pml4e, PML4E_SETS, PML4E_WAYS, page, key, table);
    level--;
  }
}

/* What the first level lacks: from the second level, else from a walk. */
NOINLINE u64 beyond_l1(u64 vpn, u64 key, int is_store) {
  LOOK_UP(stlb, STLB_SETS, STLB_WAYS, vpn, key, {
    total.stlb_hits++;
    total.clock += PRICE_STLB_HIT;
    return stlb[stlb_set].payloads[way];
  });
  const u64 payload = walk(vpn, is_store);
  INSERT(stlb, STLB_SETS, STLB_WAYS, vpn, key, payload);
  return payload;
}

/* A store through an entry that is not dirty: walks again to set A and D, and marks both copies. */
NOINLINE void make_dirty(u64 vpn, u64 key, u64 *payload) {
  if ((*payload & PAY_WRITE) == 0) fault(vpn);
  total.assists++;
  total.clock += PRICE_ASSIST;
  u32 table = ROOT;
  for (int level = 3; level > 0; level--) table = PFN(tables[table][index_at(vpn, level)]);
  tables[table][index_at(vpn, 0)] |= PTE_A | PTE_D;
  *payload |= PAY_DIRTY;
  const u32 set = (u32)(vpn % STLB_SETS);
  const u32 found = matches(stlb[set].keys, STLB_WAYS, key);
  if (found) stlb[set].payloads[__builtin_ctz(found)] |= PAY_DIRTY;
}

__attribute__((noreturn, cold)) NOINLINE void bad_record(u64 i) {
  fprintf(stderr, "record %llu is no load or store\n", (unsigned long long)i);
  exit(2);
}

NOINLINE void run(const u64 *records, u64 n) {
  u32 tick = l1_tick;
  u64 hits = 0;
  u64 clock = 0;
  for (u64 i = 0; i < n; i++) {
    const u64 record = records[i];
    if ((record & 14) != 0) bad_record(i);
    const u64 vpn = record >> 12;
    const u64 key = key_of(vpn, SIZE_4K);
    const u64 need = (0 - (record & 1)) & (PAY_WRITE | PAY_DIRTY);
    const u32 set = (u32)(vpn % L1_SETS);
    const u32 found = matches(l1[set].keys, L1_WAYS, key);
    const u32 allowed = found & grants(l1[set].payloads, L1_WAYS, need);
    u32 way;
    /* One branch for both questions: is it there, and may a store go ahead? Stores are not predictable. */
    if (__builtin_expect(allowed != 0, 1)) {
      way = (u32)__builtin_ctz(allowed);
      hits++;
    } else {
      if (found != 0) {
        way = (u32)__builtin_ctz(found);
        hits++;
      } else {
        const u64 payload = beyond_l1(vpn, key, record & 1);
        way = victim(l1[set].stamps, L1_WAYS);
        l1[set].keys[way] = key;
        l1[set].payloads[way] = payload;
        if ((need & ~payload) == 0) goto next;
      }
      make_dirty(vpn, key, &l1[set].payloads[way]);
    }
next:
    tick += TICK;
    l1[set].stamps[way] = tick | way;
    clock += PRICE_ACCESS;
  }
  l1_tick = tick;
  total.accesses += n;
  total.l1_hits += hits;
  total.clock += clock;
}

static u64 *slurp(const char *file) {
  FILE *in = fopen(file, "rb");
  u64 *words = NULL;
  if (in != NULL && fseek(in, 0, SEEK_END) == 0) {
    const long bytes = ftell(in);
    rewind(in);
    words = aligned_alloc(64, ((size_t)bytes + 63) & ~(size_t)63);
    if (words != NULL && fread(words, 1, (size_t)bytes, in) != (size_t)bytes) words = NULL;
  }
  if (words == NULL) {
    fprintf(stderr, "cannot read %s\n", file);
    exit(2);
  }
  fclose(in);
  return words;
}

/* Maps the pages in their order; tables get numbers in the order in which they are needed, as bench/hot-world.ts gives them. */
static void map(const u64 *pages, u64 count) {
  const size_t most = 2 + 3 * count;
  u32 top = ROOT;
  tables = aligned_alloc(4096, most * sizeof *tables);
  line_writers = calloc(most * (TABLE_ENTRIES / 8), sizeof *line_writers);
  if (tables == NULL || line_writers == NULL) exit(2);
  memset(tables[ROOT], 0, sizeof *tables);
  for (u64 i = 0; i < count; i++) {
    const u64 vpn = pages[2 * i];
    u32 table = ROOT;
    for (int level = 3; level > 0; level--) {
      u64 *at = &tables[table][index_at(vpn, level)];
      if (*at == 0) {
        memset(tables[++top], 0, sizeof *tables);
        *at = (u64)top << 12 | PTE_P | PTE_W | PTE_U;
      }
      table = PFN(*at);
    }
    tables[table][index_at(vpn, 0)] = pages[2 * i + 1] << 12 | PTE_P | PTE_W | PTE_U;
  }
}

/* Ways are told apart by their stamps before their first use, too. */
static void order_ways(void) {
#define ORDER(name, SETS, WAYS)               \
  for (u32 set = 0; set < (SETS); set++)      \
    for (u32 way = 0; way < (WAYS); way++) name[set].stamps[way] = way
  ORDER(l1, L1_SETS, L1_WAYS);
  ORDER(stlb, STLB_SETS, STLB_WAYS);
  ORDER(pde, PDE_SETS, PDE_WAYS);
  ORDER(pdpte, PDPTE_SETS, PDPTE_WAYS);
  ORDER(pml4e, PML4E_SETS, PML4E_WAYS);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: hot-path FILE\n");
    return 2;
  }
  const u64 *words = slurp(argv[1]);
  const u64 pages = words[0];
  const u64 n = words[1];
  map(words + 2, pages);
  order_ways();
  const u64 *records = words + 2 + 2 * pages;
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (l1_tick > UINT32_MAX - TICK - n * TICK) {
      fprintf(stderr, "too many passes: stamps would wrap\n");
      return 2;
    }
    struct timespec start, end;
    memset(&total, 0, sizeof total);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    run(records, n);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    const long long ns = (end.tv_sec - start.tv_sec) * 1000000000ll + (end.tv_nsec - start.tv_nsec);
    const u64 counts[] = {total.accesses,    total.l1_hits, total.stlb_hits, total.walks, total.walk_reads,
                          total.walk_cycles, total.assists, total.clock};
    printf("%lld", ns);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) printf(" %llu", (unsigned long long)counts[i]);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
