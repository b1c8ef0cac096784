#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "../core/array.h"
#include "catch.h"

// The expected strings are what str() of the same NumPy 2.4.6 array gives.
namespace {

using elbo::Array;
using elbo::Shape;

template <class T>
std::string print(const Shape& shape, const std::vector<std::conditional_t<std::is_integral_v<T>, T, double>>& values) {
  return Array::from(std::vector<T>(values.begin(), values.end()), shape).to_string();
}

/// 0, 1, 2, ... in a shape.
template <class T>
std::string counted(const Shape& shape) {
  std::vector<T> values(static_cast<std::size_t>(shape.numel()));
  std::iota(values.begin(), values.end(), T(0));
  return Array::from(values, shape).to_string();
}

}  // namespace

TEST_CASE("printing: numbers by themselves", "[print]") {
  CHECK(print<float>({}, {0.0}) == R"(0.0)");
  CHECK(print<float>({}, {-0.0}) == R"(-0.0)");
  CHECK(print<float>({}, {1.0}) == R"(1.0)");
  CHECK(print<float>({}, {0.1}) == R"(0.1)");
  CHECK(print<float>({}, {-2.5}) == R"(-2.5)");
  CHECK(print<float>({}, {0.0001}) == R"(1e-04)");
  CHECK(print<float>({}, {9.99e-05}) == R"(9.99e-05)");
  CHECK(print<float>({}, {123456.7}) == R"(123456.7)");
  CHECK(print<float>({}, {1000000.0}) == R"(1e+06)");
  CHECK(print<float>({}, {1000000000000000.0}) == R"(1e+15)");
  CHECK(print<float>({}, {1e+16}) == R"(1e+16)");
  CHECK(print<float>({}, {NAN}) == R"(nan)");
  CHECK(print<float>({}, {INFINITY}) == R"(inf)");
  CHECK(print<float>({}, {-INFINITY}) == R"(-inf)");
  CHECK(print<double>({}, {0.0}) == R"(0.0)");
  CHECK(print<double>({}, {-0.0}) == R"(-0.0)");
  CHECK(print<double>({}, {1.0}) == R"(1.0)");
  CHECK(print<double>({}, {0.1}) == R"(0.1)");
  CHECK(print<double>({}, {-2.5}) == R"(-2.5)");
  CHECK(print<double>({}, {0.0001}) == R"(0.0001)");
  CHECK(print<double>({}, {9.99e-05}) == R"(9.99e-05)");
  CHECK(print<double>({}, {123456.7}) == R"(123456.7)");
  CHECK(print<double>({}, {1000000.0}) == R"(1000000.0)");
  CHECK(print<double>({}, {1000000000000000.0}) == R"(1000000000000000.0)");
  CHECK(print<double>({}, {1e+16}) == R"(1e+16)");
  CHECK(print<double>({}, {NAN}) == R"(nan)");
  CHECK(print<double>({}, {INFINITY}) == R"(inf)");
  CHECK(print<double>({}, {-INFINITY}) == R"(-inf)");
  CHECK(print<std::int64_t>({}, {-12}) == R"(-12)");
  CHECK(print<std::int64_t>({}, {9223372036854775807}) == R"(9223372036854775807)");
  CHECK(print<std::uint8_t>({}, {255}) == R"(255)");
}

TEST_CASE("printing: decimals: as many as the shortest form needs, at most 8", "[print]") {
  CHECK(print<float>({4}, {1.0, 2.0, 3.5, 4.0}) == R"([1.  2.  3.5 4. ])");
  CHECK(print<float>({2, 2}, {1.0, 2.0, 3.5, 4.0}) == R"([[1.  2. ]
 [3.5 4. ]])");
  CHECK(print<float>({3}, {0.1, 0.2, 0.3}) == R"([0.1 0.2 0.3])");
  CHECK(print<double>({3}, {0.1, 0.2, 0.30000000000000004}) == R"([0.1 0.2 0.3])");
  CHECK(print<float>({2}, {0.3333333333333333, 0.6666666666666666}) == R"([0.33333334 0.6666667 ])");
  CHECK(print<double>({2}, {0.3333333333333333, 100.0}) == R"([  0.33333333 100.        ])");
  CHECK(print<float>({3}, {-1.0, 0.0, 1.0}) == R"([-1.  0.  1.])");
  CHECK(print<double>({2}, {-0.0, 0.0}) == R"([-0.  0.])");
  CHECK(print<float>({3}, {-1.25, 10.0, 0.5}) == R"([-1.25 10.    0.5 ])");
  CHECK(print<double>({3}, {0.123456785, 0.5, 0.25}) == R"([0.12345678 0.5        0.25      ])");
  CHECK(print<float>({2}, {0.1234567, 100.5}) == R"([  0.1234567 100.5      ])");
  CHECK(print<float>({1}, {16777.217}) == R"([16777.217])");
  CHECK(print<double>({2}, {0.5000000001, 1.0}) == R"([0.5 1. ])");
}

TEST_CASE("printing: powers of ten", "[print]") {
  CHECK(print<double>({2}, {100000000.0, 1.0}) == R"([1.e+08 1.e+00])");
  CHECK(print<double>({2}, {99999999.0, 100000.0}) == R"([99999999.   100000.])");
  CHECK(print<float>({2}, {1000000.0, 10000.0}) == R"([1.e+06 1.e+04])");
  CHECK(print<float>({2}, {999999.0, 1000.0}) == R"([999999.   1000.])");
  CHECK(print<float>({2}, {1e-05, 1.0}) == R"([1.e-05 1.e+00])");
  CHECK(print<float>({2}, {0.0001, 0.01}) == R"([0.0001 0.01  ])");
  CHECK(print<float>({2}, {1.0, 1000.0}) == R"([   1. 1000.])");
  CHECK(print<float>({2}, {1.0, 1001.0}) == R"([1.000e+00 1.001e+03])");
  CHECK(print<float>({2}, {1.0, 1000.5}) == R"([1.0000e+00 1.0005e+03])");
  CHECK(print<double>({3}, {1e-300, 1e+300, -1.0}) == R"([ 1.e-300  1.e+300 -1.e+000])");
  CHECK(print<double>({2}, {1.23456789012e-05, 0.1}) == R"([1.23456789e-05 1.00000000e-01])");
  CHECK(print<float>({2, 2}, {10000000000.0, -0.0025, 0.0, 1.0}) == R"([[ 1.0e+10 -2.5e-03]
 [ 0.0e+00  1.0e+00]])");
  CHECK(print<float>({1}, {3.4028235e+38}) == R"([3.4028235e+38])");
  CHECK(print<float>({1}, {1e-45}) == R"([1.e-45])");
  CHECK(print<double>({2}, {1.5e-07, 0.0}) == R"([1.5e-07 0.0e+00])");
}

TEST_CASE("printing: not numbers", "[print]") {
  CHECK(print<float>({1}, {NAN}) == R"([nan])");
  CHECK(print<float>({1}, {INFINITY}) == R"([inf])");
  CHECK(print<float>({2}, {-INFINITY, INFINITY}) == R"([-inf  inf])");
  CHECK(print<float>({3}, {NAN, 1.0, -2.0}) == R"([nan  1. -2.])");
  CHECK(print<float>({3}, {-INFINITY, 1.5, 100.25}) == R"([  -inf   1.5  100.25])");
  CHECK(print<double>({3}, {NAN, 1e-10, INFINITY}) == R"([   nan 1.e-10    inf])");
  CHECK(print<double>({3}, {-INFINITY, 0.0, 0.0}) == R"([-inf   0.   0.])");
}

TEST_CASE("printing: integers", "[print]") {
  CHECK(print<std::int64_t>({4}, {1, -20, 300, 0}) == R"([  1 -20 300   0])");
  CHECK(print<std::int64_t>({2, 2}, {0, 1, 2, 9223372036854775807}) == R"([[                  0                   1]
 [                  2 9223372036854775807]])");
  CHECK(print<std::int64_t>({1}, {std::numeric_limits<std::int64_t>::min()}) == R"([-9223372036854775808])");
  CHECK(print<std::uint8_t>({2, 3}, {0, 255, 7, 10, 20, 30}) == R"([[  0 255   7]
 [ 10  20  30]])");
  CHECK(print<std::int64_t>({3}, {1, 2, 3}) == R"([1 2 3])");
}

TEST_CASE("printing: dimensions", "[print]") {
  CHECK(print<float>({1, 1}, {5.0}) == R"([[5.]])");
  CHECK(print<float>({2, 1, 2}, {1.0, 2.0, 3.0, 4.0}) == R"([[[1. 2.]]

 [[3. 4.]]])");
  CHECK(print<std::int64_t>({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}) == R"([[[0 1]
  [2 3]]

 [[4 5]
  [6 7]]])");
  CHECK(print<std::int64_t>({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}) == R"([[[[0 1]
   [2 3]]

  [[4 5]
   [6 7]]]])");
  CHECK(print<std::int64_t>({2, 1, 2, 1}, {0, 1, 2, 3}) == R"([[[[0]
   [1]]]


 [[[2]
   [3]]]])");
  CHECK(print<std::int64_t>({1, 1, 1, 1, 1, 1, 1, 2}, {1, 2}) == R"([[[[[[[[1 2]]]]]]]])");
}

TEST_CASE("printing: empty arrays", "[print]") {
  CHECK(print<float>({0}, {}) == R"([])");
  CHECK(print<float>({2, 0}, {}) == R"([])");
  CHECK(print<std::int64_t>({0, 3}, {}) == R"([])");
}

TEST_CASE("printing: lines are wrapped at 75 columns", "[print]") {
  CHECK(counted<std::int64_t>({30}) == R"([ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23
 24 25 26 27 28 29])");
  CHECK(print<float>({20}, {0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25,
                            2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75}) ==
        R"([0.   0.25 0.5  0.75 1.   1.25 1.5  1.75 2.   2.25 2.5  2.75 3.   3.25
 3.5  3.75 4.   4.25 4.5  4.75])");
  CHECK(counted<std::int64_t>({2, 40}) == R"([[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23
  24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39]
 [40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
  64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79]])");
  CHECK(counted<std::int64_t>({2, 1, 26}) == R"([[[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22
   23 24 25]]

 [[26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48
   49 50 51]]])");
  CHECK(print<double>({8}, {0 + 1 / 3.0, 1 + 1 / 3.0, 2 + 1 / 3.0, 3 + 1 / 3.0, 4 + 1 / 3.0, 5 + 1 / 3.0, 6 + 1 / 3.0,
                            7 + 1 / 3.0}) == R"([0.33333333 1.33333333 2.33333333 3.33333333 4.33333333 5.33333333
 6.33333333 7.33333333])");
}

TEST_CASE("printing: of more than 1,000 elements the first and last three along each axis", "[print]") {
  CHECK(counted<float>({1000}).size() == 5072);
  CHECK(counted<float>({1001}) == R"([   0.    1.    2. ...  998.  999. 1000.])");
  CHECK(counted<std::int64_t>({40, 40}) == R"([[   0    1    2 ...   37   38   39]
 [  40   41   42 ...   77   78   79]
 [  80   81   82 ...  117  118  119]
 ...
 [1480 1481 1482 ... 1517 1518 1519]
 [1520 1521 1522 ... 1557 1558 1559]
 [1560 1561 1562 ... 1597 1598 1599]])");
  CHECK(counted<std::int64_t>({3, 400}) == R"([[   0    1    2 ...  397  398  399]
 [ 400  401  402 ...  797  798  799]
 [ 800  801  802 ... 1197 1198 1199]])");
  CHECK(counted<std::int64_t>({400, 3}) == R"([[   0    1    2]
 [   3    4    5]
 [   6    7    8]
 ...
 [1191 1192 1193]
 [1194 1195 1196]
 [1197 1198 1199]])");
  CHECK(counted<std::int64_t>({11, 10, 10}) == R"([[[   0    1    2 ...    7    8    9]
  [  10   11   12 ...   17   18   19]
  [  20   21   22 ...   27   28   29]
  ...
  [  70   71   72 ...   77   78   79]
  [  80   81   82 ...   87   88   89]
  [  90   91   92 ...   97   98   99]]

 [[ 100  101  102 ...  107  108  109]
  [ 110  111  112 ...  117  118  119]
  [ 120  121  122 ...  127  128  129]
  ...
  [ 170  171  172 ...  177  178  179]
  [ 180  181  182 ...  187  188  189]
  [ 190  191  192 ...  197  198  199]]

 [[ 200  201  202 ...  207  208  209]
  [ 210  211  212 ...  217  218  219]
  [ 220  221  222 ...  227  228  229]
  ...
  [ 270  271  272 ...  277  278  279]
  [ 280  281  282 ...  287  288  289]
  [ 290  291  292 ...  297  298  299]]

 ...

 [[ 800  801  802 ...  807  808  809]
  [ 810  811  812 ...  817  818  819]
  [ 820  821  822 ...  827  828  829]
  ...
  [ 870  871  872 ...  877  878  879]
  [ 880  881  882 ...  887  888  889]
  [ 890  891  892 ...  897  898  899]]

 [[ 900  901  902 ...  907  908  909]
  [ 910  911  912 ...  917  918  919]
  [ 920  921  922 ...  927  928  929]
  ...
  [ 970  971  972 ...  977  978  979]
  [ 980  981  982 ...  987  988  989]
  [ 990  991  992 ...  997  998  999]]

 [[1000 1001 1002 ... 1007 1008 1009]
  [1010 1011 1012 ... 1017 1018 1019]
  [1020 1021 1022 ... 1027 1028 1029]
  ...
  [1070 1071 1072 ... 1077 1078 1079]
  [1080 1081 1082 ... 1087 1088 1089]
  [1090 1091 1092 ... 1097 1098 1099]]])");
  CHECK(counted<std::int64_t>({2, 3, 4, 50}) == R"([[[[   0    1    2 ...   47   48   49]
   [  50   51   52 ...   97   98   99]
   [ 100  101  102 ...  147  148  149]
   [ 150  151  152 ...  197  198  199]]

  [[ 200  201  202 ...  247  248  249]
   [ 250  251  252 ...  297  298  299]
   [ 300  301  302 ...  347  348  349]
   [ 350  351  352 ...  397  398  399]]

  [[ 400  401  402 ...  447  448  449]
   [ 450  451  452 ...  497  498  499]
   [ 500  501  502 ...  547  548  549]
   [ 550  551  552 ...  597  598  599]]]


 [[[ 600  601  602 ...  647  648  649]
   [ 650  651  652 ...  697  698  699]
   [ 700  701  702 ...  747  748  749]
   [ 750  751  752 ...  797  798  799]]

  [[ 800  801  802 ...  847  848  849]
   [ 850  851  852 ...  897  898  899]
   [ 900  901  902 ...  947  948  949]
   [ 950  951  952 ...  997  998  999]]

  [[1000 1001 1002 ... 1047 1048 1049]
   [1050 1051 1052 ... 1097 1098 1099]
   [1100 1101 1102 ... 1147 1148 1149]
   [1150 1151 1152 ... 1197 1198 1199]]]])");
  CHECK(counted<std::int64_t>({1, 2000}) == R"([[   0    1    2 ... 1997 1998 1999]])");
  CHECK(counted<std::int64_t>({2000, 1}) == R"([[   0]
 [   1]
 [   2]
 ...
 [1997]
 [1998]
 [1999]])");
}

TEST_CASE("printing: an array that is not there, and a view", "[print]") {
  CHECK(Array().to_string() == "undefined");
  Array whole = Array::from(std::vector<float>{1, 2, 3.5f, 4}, {2, 2});
  CHECK(whole.slice(1, 2).to_string() == "[[3.5 4. ]]");
}
