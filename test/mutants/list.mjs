// Bugs that some pool shipped, put into ours one at a time: each must be found by the simulation and killed by the
// tests of its case. An edit replaces `from`, which must be there exactly once in `file`, or exactly once between
// `after` and the end of the method that `after` begins. When the engine changes, an edit that has lost its place fails
// loudly and is to be mended here.

/** A settled hook that should lead on to the next waiter, and does not when `condition` holds. */
function forgetsTheNext(condition) {
  return [
    {
      file: 'workshop.ts',
      after: '  settled(task: Task<T>',
      from: 'this.#turns.leave(outermost, now);',
      to: `if (${condition}) {
      this.#inventory.journal.commit();
      if (outermost) this.#turns.end();
    } else this.#turns.leave(outermost, now);`,
    },
  ];
}

/** @type {readonly { name: string, id: string, tests: readonly string[], edits: readonly { file: string, after?: string, from: string, to: string }[] }[]} */
export const mutants = [
  {
    name: 'nobody is served after a create failed',
    id: 'CF-02',
    tests: ['create-failure'],
    edits: forgetsTheNext("task.hook === 'create' && failed"),
  },
  {
    name: 'nobody is served after a destroy settled',
    id: 'WF-12',
    tests: ['waiting-order'],
    edits: forgetsTheNext(
      "task.hook === 'destroy' && (task.slot.doom === 'released' || task.slot.doom === 'broken')",
    ),
  },
  {
    name: 'nobody is served after a reset failed',
    id: 'VA-10',
    tests: ['validation-and-reset'],
    edits: forgetsTheNext("task.slot.doom === 'resetFailed'"),
  },
  {
    name: 'nobody is served after a validation failed',
    id: 'VA-',
    tests: ['validation-and-reset'],
    edits: forgetsTheNext("task.slot.doom === 'invalid'"),
  },
  {
    name: 'nobody is served when the chosen waiter leaves',
    id: 'CR-01',
    tests: ['hand-off'],
    edits: [
      {
        file: 'leasing.ts',
        after: '  cancelLease(lease: LeaseHandle<T>): void {',
        from: 'this.#returned(slot, now);',
        to: 'if (lease.holder === undefined) { this.#inventory.shelve(slot); journalCommit(this.#inventory); if (outermost) this.#turns.end(); return; } this.#returned(slot, now);',
      },
      {
        file: 'leasing.ts',
        from: 'function factsOf<T>(',
        to: 'function journalCommit(inventory: { journal: { commit(): void } }): void { inventory.journal.commit(); }\n\nfunction factsOf<T>(',
      },
    ],
  },
  {
    name: 'a create that runs out of time keeps its slot',
    id: 'CF-04',
    tests: ['create-failure'],
    edits: [
      {
        file: 'workshop.ts',
        after: '  #created(task: Task<T>',
        from: 'this.release(slot);',
        to: 'if (!task.late) this.release(slot);',
      },
    ],
  },
  {
    name: 'a waiter that ran out of time stays at the head of the queue',
    id: 'WF-04',
    tests: ['waiting-order'],
    edits: [
      {
        file: 'reception.ts',
        after: '  timedOut(request: Request<T>, now: number): void {',
        from: 'this.dequeue(request);',
        to: 'this.#timetable.unlimit(request); request.unlisten(); journal.waiting -= 1;',
      },
    ],
  },
  {
    name: 'the deadline of a request goes on after its grant',
    id: 'WF-08',
    tests: ['acquire'],
    edits: [
      {
        file: 'reception.ts',
        after: '  dequeue(request: Request<T>): void {',
        from: 'this.#timetable.unlimit(request);',
        to: '',
      },
    ],
  },
  {
    name: 'one more than max',
    id: 'SZ-01',
    tests: ['sizing'],
    edits: [
      {
        file: 'policy.ts',
        from: 'return counts.max - counts.size',
        to: 'return counts.max + 1 - counts.size',
      },
    ],
  },
  {
    name: 'one more than maxWaiting',
    id: 'WF-09',
    tests: ['waiting-order'],
    edits: [
      {
        file: 'reception.ts',
        from: 'if (journal.waiting < this.#options.maxWaiting) return false;',
        to: 'if (journal.waiting <= this.#options.maxWaiting) return false;',
      },
    ],
  },
  {
    name: 'one less than min',
    id: 'SZ-02',
    tests: ['sizing'],
    edits: [
      {
        file: 'policy.ts',
        from: 'Math.min(counts.min, counts.max) - liveSize(counts)',
        to: 'Math.min(counts.min, counts.max) - 1 - liveSize(counts)',
      },
    ],
  },
  {
    name: 'the last one of min is pruned',
    id: 'SZ-05',
    tests: ['sizing', 'expiry'],
    edits: [
      {
        file: 'inventory.ts',
        from: 'liveSize(journal) > journal.min && ',
        to: 'liveSize(journal) >= journal.min && ',
      },
    ],
  },
  {
    name: 'an idle one goes a moment too late',
    id: 'EX-01',
    tests: ['expiry'],
    edits: [
      {
        file: 'inventory.ts',
        from: 'now - slot.idleSince >= this.options.idleTimeoutMillis',
        to: 'now - slot.idleSince > this.options.idleTimeoutMillis',
      },
    ],
  },
  {
    name: 'the last to come is the first to be served',
    id: 'WF-02',
    tests: ['waiting-order'],
    edits: [
      {
        file: 'wait-queue.ts',
        after: '  first(): Request<T> | undefined {',
        from: 'return this.#lanes[0]?.list.head;',
        to: 'return this.#lanes[0]?.list.tail;',
      },
    ],
  },
  {
    name: 'a resource is counted as leased before it is made',
    id: 'EV-02',
    tests: ['events'],
    edits: [
      {
        file: 'inventory.ts',
        from: 'this.journal.creating += 1;',
        to: 'this.journal.leased += 1;',
      },
      {
        file: 'inventory.ts',
        from: 'this.#count(slot.status, -1);',
        to: "this.#count(slot.status === 'creating' ? 'leased' : slot.status, -1);",
      },
    ],
  },
  {
    name: 'what leaves the reset is still counted there',
    id: 'BR-09',
    tests: ['lease'],
    edits: [
      {
        file: 'inventory.ts',
        from: 'this.#count(slot.status, -1);',
        to: "if (slot.status !== 'resetting') this.#count(slot.status, -1);",
      },
    ],
  },
  {
    name: 'a second release resets again',
    id: 'BR-05',
    tests: ['lease'],
    edits: [
      {
        file: 'leasing.ts',
        after: '  giveBack(lease: LeaseHandle<T>): Promise<void> {',
        from: 'if (lease.ended !== undefined) return this.#settlement(lease);',
        to: '',
      },
    ],
  },
  {
    name: 'a returned resource is handed on without its validation',
    id: 'VA-',
    tests: ['validation-and-reset'],
    edits: [
      {
        file: 'matching.ts',
        after: '  #place(slot: Slot<T>, now: number): void {',
        from: '!this.#inventory.needsCheck(slot, now)',
        to: 'true',
      },
    ],
  },
  {
    name: 'a returned resource is handed on past its lifetime',
    id: 'EX-07',
    tests: ['expiry'],
    edits: [
      {
        file: 'matching.ts',
        after: '  #mustGo(slot: Slot<T>, now: number)',
        from: 'if (reason !== undefined || !this.#turns.restless) return reason;',
        to: "if (reason === 'lifetime') return undefined;\n    if (reason !== undefined || !this.#turns.restless) return reason;",
      },
    ],
  },
  {
    name: 'what leaves does so within what leaves: recursion instead of a loop',
    id: 'RE-02',
    tests: ['reentrancy'],
    edits: [
      {
        file: 'turns.ts',
        after: '  #deliver(): void {',
        from: 'delivery.deliver();',
        to: 'this.busy = false; delivery.deliver();',
      },
    ],
  },
  {
    name: 'there is no guard against reentrancy',
    id: 'RE-0',
    tests: ['reentrancy'],
    edits: [
      {
        file: 'turns.ts',
        after: '  enter(): boolean {',
        from: 'if (this.busy) return false;',
        to: '',
      },
    ],
  },
  {
    name: 'time is read from the wall clock',
    id: 'EX-10',
    tests: ['expiry'],
    edits: [
      {
        file: 'clock.ts',
        from: 'const reading = this.#scheduler.now();',
        to: 'const reading = Date.now();',
      },
    ],
  },
  {
    name: 'a timer is asked for any delay',
    id: 'EX-09',
    tests: ['expiry'],
    edits: [
      {
        file: 'clock.ts',
        from: 'Math.min(Math.max(0, at - now), LONGEST_DELAY_MILLIS)',
        to: 'Math.max(0, at - now)',
      },
    ],
  },
  {
    name: 'a create that arrives after close is kept',
    id: 'SD-',
    tests: ['closing'],
    edits: [
      {
        file: 'matching.ts',
        after: '  #mustGo(slot: Slot<T>, now: number)',
        from: "return 'closed';",
        to: 'return undefined;',
      },
      {
        file: 'engine.ts',
        after: '  #settleAll(now: number): void {',
        from: 'this.shutdown.retireIdle(now);',
        to: '',
      },
    ],
  },
  {
    name: 'a create that arrives after its time limit is kept by nobody',
    id: 'CF-04',
    tests: ['create-failure'],
    edits: [
      {
        file: 'workshop.ts',
        after: '  #late(task: Task<T>',
        from: 'destroying.run(() => options.destroy?.(value as T, reason));',
        to: '',
      },
    ],
  },
  {
    name: 'the first destroy that fails ends the close',
    id: 'SD-',
    tests: ['closing'],
    edits: [
      {
        file: 'shutdown.ts',
        after: '  destroyFailed(error: unknown): void {',
        from: 'this.#closing?.errors.push(error);',
        to: 'this.#closing?.errors.push(error); this.#closing?.reject(error);',
      },
    ],
  },
  {
    name: 'a destroy that throws escapes the sweep',
    id: 'EX-15',
    tests: ['expiry'],
    edits: [
      {
        file: 'task.ts',
        after: '  run(call: () => unknown): void {',
        from: '} catch (error) {',
        to: "} catch (error) {\n      if (this.hook === 'destroy') throw error;",
      },
    ],
  },
  {
    name: 'release resolves before the reset',
    id: 'VA-09|BR-09',
    tests: ['validation-and-reset', 'lease'],
    edits: [
      {
        file: 'leasing.ts',
        after: '  #settlement(lease: LeaseHandle<T>): Promise<void> {',
        from: "slot.status === 'resetting' || ",
        to: '',
      },
    ],
  },
];
