package puro;

import java.util.Arrays;

/** One header of a record; names may repeat. */
public record Header(String name, byte[] value) {
    @Override
    public boolean equals(Object other) {
        return other instanceof Header it && name.equals(it.name) && Arrays.equals(value, it.value);
    }

    @Override
    public int hashCode() {
        return 31 * name.hashCode() + Arrays.hashCode(value);
    }
}
