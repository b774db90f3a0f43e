/** What a node carries so that it can leave its list in constant time, from anywhere. */
export interface Linked<Node> {
  previous: Node | undefined;
  next: Node | undefined;
}

/** Intrusive doubly linked list: no wrapper per entry, every operation in constant time. */
export class LinkedList<Node extends Linked<Node>> {
  head: Node | undefined = undefined;
  tail: Node | undefined = undefined;

  push(node: Node): void {
    this.insertAfter(node, this.tail);
  }

  /** Puts `node` behind `anchor`, or first when there is no anchor. */
  insertAfter(node: Node, anchor: Node | undefined): void {
    const next = anchor === undefined ? this.head : anchor.next;
    node.previous = anchor;
    node.next = next;
    if (anchor === undefined) this.head = node;
    else anchor.next = node;
    if (next === undefined) this.tail = node;
    else next.previous = node;
  }

  /** The caller knows that `node` is in this list. Its links are cleared so that it holds no neighbour alive. */
  remove(node: Node): void {
    const { previous, next } = node;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next === undefined) this.tail = previous;
    else next.previous = previous;
    node.previous = undefined;
    node.next = undefined;
  }
}
