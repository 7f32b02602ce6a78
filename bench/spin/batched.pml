/*
 * Reclaim takes pages out of the page table and leaves the flush for later; madvise must not act on a page before that flush is done.
 * The same steps as bench/spin/batched.ts. A d_step is one transition, as a step of a program is with the free ops behind it.
 *
 * -DUSERS=n CPUs that use the pages, -DPAGES=n pages, each with a lock of its own (3 of both at most), -DCOUNTERS for the rule with
 * two counters.
 */
#ifndef USERS
#define USERS 1
#endif
#ifndef PAGES
#define PAGES 2
#endif
#define RECLAIM 0
#define MADVISE 1
#define TLB(user, page) tlb[(user) * PAGES + (page)]
#define GONE(user, page) gone[(user) * PAGES + (page)]
#define EXCUSED(user, page) excused[(user) * PAGES + (page)]
#define ASKED(user, asker) asked[(user) * 2 + (asker)]
#if PAGES == 1
#define EACH_PAGE(what) what(0)
#elif PAGES == 2
#define EACH_PAGE(what) what(0); what(1)
#else
#define EACH_PAGE(what) what(0); what(1); what(2)
#endif
#if USERS == 1
#define EACH_USER(what, asker) what(0, asker)
#elif USERS == 2
#define EACH_USER(what, asker) what(0, asker); what(1, asker)
#else
#define EACH_USER(what, asker) what(0, asker); what(1, asker); what(2, asker)
#endif

bit locked[PAGES], mapped[PAGES] = 1, freed[PAGES];
/* A translation that a user holds, and whether its use has been promised away. */
bit tlb[USERS * PAGES], gone[USERS * PAGES];
/* A call speaks for what was done before its first step: a page that goes during a call of madvise is none of that call's. */
bit advising, excused[USERS * PAGES];
bit asked[USERS * 2], pending[USERS];
#ifdef COUNTERS
byte owed, done;
#else
bit owed;
#endif

inline touch(page) {
  d_step {
    if
    :: TLB(_pid, page) -> assert(!freed[page] && !GONE(_pid, page))
    :: !TLB(_pid, page) && mapped[page] -> TLB(_pid, page) = 1
    fi
  }
}

inline forget() {
  d_step {
    at = 0;
    do
    :: at < PAGES -> TLB(_pid, at) = 0; GONE(_pid, at) = 0; EXCUSED(_pid, at) = 0; at++
    :: else -> break
    od;
    at = 0
  }
}

inline serve(asker) {
  if
  :: ASKED(_pid, asker) -> forget(); ASKED(_pid, asker) = 0
  :: !ASKED(_pid, asker)
  fi
}

active [USERS] proctype User() {
  byte at;
end:
  do
  :: touch(0)
#if PAGES > 1
  :: touch(1)
#endif
#if PAGES > 2
  :: touch(2)
#endif
  :: d_step { pending[_pid] -> pending[_pid] = 0 };
    serve(RECLAIM);
    serve(MADVISE)
  od
}

#define ASK(user, asker) ASKED(user, asker) = 1; pending[user] = 1
#define ANSWER(user, asker) ASKED(user, asker) == 0

#ifdef COUNTERS
#define OWE owed++
#else
#define OWE owed = 1
#endif
inline unmap(page) {
  d_step {
    mapped[page] = 0;
    user = 0;
    do
    :: user < USERS ->
      if
      :: TLB(user, page) && advising -> EXCUSED(user, page) = 1
      :: else
      fi;
      user++
    :: else -> break
    od;
    user = 0
  }
}

#define TAKE_OUT(page) d_step { !locked[page] -> locked[page] = 1 }; unmap(page); OWE; locked[page] = 0
#define FREE(page) freed[page] = 1

active proctype Reclaim() {
  byte user;
  EACH_PAGE(TAKE_OUT);
  EACH_USER(ASK, RECLAIM);
  EACH_USER(ANSWER, RECLAIM);
  EACH_PAGE(FREE);
end:
  false
}

/* What is still cached of a page that is not mapped may not be used from here on. */
inline promise(page) {
  user = 0;
  do
  :: user < USERS ->
    if
    :: !mapped[page] && TLB(user, page) && !EXCUSED(user, page) -> GONE(user, page) = 1
    :: else
    fi;
    user++
  :: else -> break
  od;
  user = 0
}

#ifdef COUNTERS
inline flushOwed(page) {
  if
  :: d_step { owed != done -> owedThen = owed; doneThen = done };
    EACH_USER(ASK, MADVISE);
    EACH_USER(ANSWER, MADVISE);
    d_step {
      if
      :: owed == owedThen && done == doneThen -> done = owedThen
      :: else
      fi;
      owedThen = 0;
      doneThen = 0;
      promise(page)
    }
  :: d_step { owed == done -> promise(page) }
  fi
}
#else
inline flushOwed(page) {
  if
  :: owed;
    EACH_USER(ASK, MADVISE);
    EACH_USER(ANSWER, MADVISE);
    d_step { owed = 0; promise(page) }
  :: d_step { !owed -> promise(page) }
  fi
}
#endif

inline finish(page) {
  d_step {
    locked[page] = 0;
    advising = 0;
    user = 0;
    do
    :: user < USERS * PAGES -> excused[user] = 0; user++
    :: else -> break
    od;
    user = 0
  }
}

/* A call for each page. */
#define ADVISE(page) d_step { !locked[page] -> locked[page] = 1; advising = 1 }; flushOwed(page); finish(page)

active proctype Madvise() {
  byte user;
#ifdef COUNTERS
  byte owedThen, doneThen;
#endif
  EACH_PAGE(ADVISE);
end:
  false
}
