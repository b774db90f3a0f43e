// What RxJS itself costs: an Observable around an array's pop and push, and the same with two published states.
import { BehaviorSubject, Observable } from 'rxjs';
import { newResource } from '../drivers.mjs';

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
};
