// The code of a secret, by Node's own cryptography: another implementation of RFC 6238.
// Arguments: the secret in base32, seconds since the epoch.
import { createHmac } from 'node:crypto';

const [secret, seconds] = process.argv.slice(2);
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const bits = [...secret].map((one) => alphabet.indexOf(one).toString(2).padStart(5, '0')).join('');
const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
const counter = Buffer.alloc(8);
counter.writeBigUInt64BE(BigInt(Math.floor(Number(seconds) / 30)));
const mac = createHmac('sha1', key).update(counter).digest();
const at = mac[19] & 15;
console.log(String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0'));
