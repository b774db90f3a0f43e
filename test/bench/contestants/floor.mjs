// What RxJS itself costs: an Observable around an array's pop and push, the same with two published
// states, and the same with a queue.
import { BehaviorSubject, Observable } from 'rxjs';
import { CallbackDriver, newResource } from '../drivers.mjs';

function cycle(borrow) {
  let granted = 0;
  const take = resource => {
    granted += resource.weight;
  };
  return count => {
    granted = 0;
    for (let index = 0; index < count; index += 1) borrow.subscribe(take).unsubscribe();
    return granted;
  };
}

class Loan {
  constructor(resource, subscriber) {
    this.resource = resource;
    this.subscriber = subscriber;
    this.gone = false;
  }
}

export { newResource };

export const forms = {
  Observable: ({ max }) => {
    const idle = Array.from({ length: max }, newResource);
    const borrow = new Observable(subscriber => {
      const resource = idle.pop();
      subscriber.next(resource);
      return () => {
        idle.push(resource);
      };
    });
    return { cycle: cycle(borrow) };
  },
  'Observable and two BehaviorSubject.next': ({ max }) => {
    const idle = Array.from({ length: max }, newResource);
    const state$ = new BehaviorSubject({ idle: max, leased: 0 });
    const borrow = new Observable(subscriber => {
      const resource = idle.pop();
      state$.next({ idle: idle.length, leased: max - idle.length });
      subscriber.next(resource);
      return () => {
        idle.push(resource);
        state$.next({ idle: idle.length, leased: max - idle.length });
      };
    });
    return {
      cycle: cycle(borrow),
      listen() {
        let heard = 0;
        state$.subscribe(state => {
          heard += state.idle;
        });
        return () => heard;
      },
    };
  },
  'Observable with a queue': ({ max }) => {
    const idle = Array.from({ length: max }, newResource);
    let waiting = [];
    let first = 0;
    const giveBack = loan => {
      loan.gone = true;
      if (loan.resource === undefined) return;
      while (first < waiting.length) {
        const next = waiting[first];
        waiting[first] = undefined;
        first += 1;
        if (next.gone) continue;
        next.resource = loan.resource;
        next.subscriber.next(next);
        return;
      }
      waiting = [];
      first = 0;
      idle.push(loan.resource);
    };
    const borrow = new Observable(subscriber => {
      const loan = new Loan(idle.pop(), subscriber);
      if (loan.resource === undefined) waiting.push(loan);
      else subscriber.next(loan);
      return () => {
        giveBack(loan);
      };
    });
    return new CallbackDriver({
      acquire: receive => {
        borrow.subscribe(receive);
      },
      release: loan => {
        loan.subscriber.complete();
      },
      weigh: ({ resource }) => resource.weight,
      nests: false,
    });
  },
};
