/** As much of DER (ITU-T X.690) as certificates need: values in, bytes out. Nothing is ever read. */

export function oid([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = rest.flatMap((each) => {
    const groups = [each & 0x7f]
    for (let left = each >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return tlv(0x06, Buffer.from([first * 40 + second, ...bytes]))
}

/** Big-endian, and positive: the first byte is below 128. */
export function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes)
}

export function boolean(value: boolean): Buffer {
  return tlv(0x01, Buffer.from([value ? 0xff : 0]))
}

/** Epoch `ms`, to the second. */
export function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d{3}/g, '')
  // Years before 2050 have the shorter form.
  const isShort = text < '2050'
  return tlv(isShort ? 0x17 : 0x18, Buffer.from(isShort ? text.slice(2) : text))
}

/** A name of one common name. */
export function commonName(text: string): Buffer {
  // It holds 64 characters; a host's whole name is in the extension.
  const value = tlv(0x0c, Buffer.from(text.slice(0, 64)))
  return sequence(tlv(0x31, sequence(oid([2, 5, 4, 3]), value)))
}

export function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, ...parts)
}

/** At most 65,535 bytes of content. */
export function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
