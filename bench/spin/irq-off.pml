/*
 * One CPU waits, with a lock held, until another one has flushed; that one waits for the lock, with interrupts off unless -DIRQ_ON.
 * The same steps as bench/spin/irq-off.ts, one d_step or statement each.
 */
bit locked, mapped = 1, tlb = 1, asked, pending;
/* The oracle's: while the taker's call is under way, it does not speak for the translation that the holder made stale. */
bit taking, excused;
/* The second CPU's state: an interrupt handler holds up its program. */
bit off, handling;

active proctype Holder() {
  d_step { !locked -> locked = 1 };
  d_step { mapped = 0; excused = tlb && taking };
  asked = 1;
  pending = 1;
  asked == 0;
  locked = 0;
end:
  false
}

active proctype Taker() {
#ifndef IRQ_ON
  d_step { !handling -> off = 1; taking = 1 };
#endif
  d_step { !handling && !locked -> locked = 1; taking = 1 };
#ifdef IRQ_ON
  d_step { !handling -> locked = 0; taking = 0; excused = 0 };
#else
  d_step { !handling -> locked = 0 };
  d_step { !handling -> off = 0; taking = 0; excused = 0 };
#endif
end:
  false
}

active proctype Handler() {
end:
  do
  :: d_step { pending && !off -> pending = 0; handling = 1 };
    d_step { tlb = 0; excused = 0 };
    d_step { asked = 0; handling = 0 }
  od
}
