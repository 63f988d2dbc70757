/** Which jobs were handed out, by sequence number: a bit each, since a Set of five million takes 300 MB. */
export class Seen {
  private bits = new Uint8Array(1 << 20);

  /** Throws where the job was noted before. */
  note(sequence_number: number): void {
    const at = sequence_number >>> 3;
    const bit = 1 << (sequence_number & 7);
    if (at >= this.bits.length) {
      const larger = new Uint8Array(2 * at);
      larger.set(this.bits);
      this.bits = larger;
    }
    const byte = this.bits[at] ?? 0;
    if (byte & bit) throw new Error(`job ${sequence_number} was handed out twice`);
    this.bits[at] = byte | bit;
  }
}
