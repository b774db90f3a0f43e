import { execFileSync } from 'node:child_process';

export interface Account {
  uid?: number;
  gid?: number;
}

/** Database servers refuse to run as root, so root lends them an account that owns nothing else. */
export const account: Account = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

export function giveToAccount(path: string): void {
  if (account.uid === undefined) return;
  execFileSync('chown', ['-R', `${String(account.uid)}:${String(account.gid)}`, path]);
}
