/** How much one hold changes the mean: about the last fifty count. */
const WEIGHT = 0.04;

/** The mean of how long leases were held of late. */
export class RecentHold {
  /** Undefined before the first lease has ended. */
  meanMillis: number | undefined = undefined;

  ended(heldMillis: number): void {
    const mean = this.meanMillis;
    this.meanMillis = mean === undefined ? heldMillis : mean + WEIGHT * (heldMillis - mean);
  }
}
