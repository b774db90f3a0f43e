import { asyncScheduler } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { CreationContext, reportAttempt, schedulerOf } from '../src/internal/create-context.js';
import { callerStack, withFrames } from '../src/internal/caller-stack.js';

describe('what a create is told', () => {
  it('has one signal, which is aborted with the first reason only', () => {
    const context = new CreationContext('p', asyncScheduler, () => true);
    const { signal } = context;
    expect(context.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    const reasons: unknown[] = [];
    signal.addEventListener('abort', () => reasons.push(signal.reason));
    context.abort('first');
    context.abort('second');
    expect([signal.aborted, signal.reason, reasons]).toEqual([true, 'first', ['first']]);
    expect(context.signal).toBe(signal);
  });

  it('a signal that is asked for late is aborted with the first reason', () => {
    const context = new CreationContext('p', asyncScheduler, () => true);
    context.abort('first');
    context.abort('second');
    expect([context.signal.aborted, context.signal.reason]).toEqual([true, 'first']);
  });

  it('knows the pool’s scheduler and who awaits it, for the pool’s own helpers only', () => {
    const failures: unknown[] = [];
    const context = new CreationContext('p', asyncScheduler, error => failures.push(error) > 1);
    expect(context.pool).toBe('p');
    expect(schedulerOf(context)).toBe(asyncScheduler);
    expect(schedulerOf(undefined)).toBeUndefined();
    expect(schedulerOf({ pool: 'p', signal: new AbortController().signal })).toBeUndefined();
    expect(reportAttempt(context, 'one')).toBe(false);
    expect(reportAttempt(context, 'two')).toBe(true);
    expect(reportAttempt(undefined, 'three')).toBe(true);
    expect(failures).toEqual(['one', 'two']);
  });
});

describe('the stack of a caller', () => {
  it('is deeper than usual, says what it is, and leaves the usual depth as it was', () => {
    const usual = Error.stackTraceLimit;
    const deep = (level: number): string | undefined =>
      level === 0 ? callerStack() : deep(level - 1);
    const stack = deep(30) ?? '';
    expect(stack).toMatch(/^Error: acquired here\n/);
    expect(stack.split('\n').filter(line => line.includes('deep')).length).toBeGreaterThan(25);
    expect(Error.stackTraceLimit).toBe(usual);
  });

  it('has as many frames as are asked for', () => {
    const usual = Error.stackTraceLimit;
    expect(withFrames(0, () => new Error('none')).stack).toBe('Error: none');
    expect(withFrames(2, () => new Error('two')).stack?.split('\n')).toHaveLength(3);
    expect(Error.stackTraceLimit).toBe(usual);
  });
});
