// Files in one ZIP file, as they are: pictures are packed already.

const TABLE = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksum(data) {
  let value = 0xffffffff;
  for (const byte of data) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

// Numbers of two or four bytes one after the other: [[value, bytes], …].
function packed(...numbers) {
  const view = new DataView(new ArrayBuffer(numbers.reduce((sum, [, size]) => sum + size, 0)));
  let at = 0;
  for (const [value, size] of numbers) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

function moment(seconds) {
  const date = new Date(seconds * 1000);
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  return [[time, 2], [((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate(), 2]];
}

// A Blob of [name, ArrayBuffer, seconds since 1970] each.
export function zipped(files) {
  const [parts, list] = [[], []];
  let at = 0;
  for (const [name, data, seconds] of files) {
    const letters = new TextEncoder().encode(name);
    const about = [
      [20, 2], [0x0800, 2], [0, 2], ...moment(seconds), [checksum(new Uint8Array(data)), 4],
      [data.byteLength, 4], [data.byteLength, 4], [letters.length, 2], [0, 2],
    ];
    parts.push(packed([0x04034b50, 4], ...about), letters, data);
    list.push(packed([0x02014b50, 4], [20, 2], ...about, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]), letters);
    at += 30 + letters.length + data.byteLength;
  }
  const size = list.reduce((sum, part) => sum + part.byteLength, 0);
  const end = packed([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [at, 4], [0, 2]);
  return new Blob([...parts, ...list, end], { type: "application/zip" });
}
